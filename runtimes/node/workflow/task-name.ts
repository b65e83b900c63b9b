import type { Task } from '../../../src/model/journal.ts';

/** An operation in words. */
export function nameOfTask(task: Task): string {
  switch (task.kind) {
    case 'call':
      return `the call of ${task.function}`;
    case 'event':
      return `the wait for event ${task.event}`;
    case 'child':
      return `child workflow ${task.workflow}`;
    case 'signal':
      return `signal ${task.name}`;
    case 'scope':
      return `${task.form} ${task.name}`;
    case 'step':
      return `step "${task.name}"`;
    case 'resource':
      return task.resource;
    case 'sleep':
    case 'callback':
      return task.name === undefined ? `a ${task.kind}` : `${task.kind} ${task.name}`;
    default:
      return task satisfies never;
  }
}

/**
 * `npm run conformance`: the recorded vectors beside the repository, through the API with AWS' own client. Prints
 * what passed and failed by group, and ends with 1 when fewer passed than before.
 */
import { runExam } from '../test/conformance/exam.ts';
import {
  type DefinitionVector,
  type ExecutionVector,
  NOT_HERE,
  readVectors,
} from '../test/conformance/vectors.ts';

/** All of them pass; what does not is a step back. */
const failedMax = 0;
const executions = readVectors<ExecutionVector>('asl-executions.json');
const definitions = readVectors<DefinitionVector>('asl-definitions.json');

if (executions === undefined || definitions === undefined) {
  console.log(NOT_HERE);
} else {
  const { groups, failures } = await runExam(executions, definitions);
  for (const failure of failures) console.log(`✗ ${failure}`);
  console.log(`${'group'.padEnd(24)}${'passed'.padStart(8)}${'failed'.padStart(8)}`);
  for (const [group, { passed, failed }] of [...groups].sort(([left], [right]) => (left < right ? -1 : 1))) {
    console.log(`${group.padEnd(24)}${String(passed).padStart(8)}${String(failed).padStart(8)}`);
  }
  const all = executions.length + definitions.length;
  console.log(`${all - failures.length} of ${all} passed.`);
  process.exitCode = failures.length > failedMax ? 1 : 0;
}

"""An operation in words, as in `runtimes/node/workflow/task-name.ts`."""


def task_name(task):
    kind = task["kind"]
    if kind == "call":
        return f"the call of {task['function']}"
    if kind == "event":
        return f"the wait for event {task['event']}"
    if kind == "child":
        return f"child workflow {task['workflow']}"
    if kind == "signal":
        return f"signal {task['name']}"
    if kind == "scope":
        return f"{task['form']} {task['name']}"
    if kind == "step":
        return f'step "{task["name"]}"'
    if kind == "resource":
        return task["resource"]
    name = task.get("name")
    return f"a {kind}" if name is None else f"{kind} {name}"

/** What every error of one code has in common. */
export interface ErrorFacts {
  /** HTTP status where the error leaves through HTTP. */
  status: number;
  /** Who can mend it: the one who calls, the one who wrote the function or app, or the one who runs the platform. */
  fault: 'caller' | 'author' | 'operator';
  /** Whether the same act can succeed later without anybody changing anything. */
  retryable: boolean;
  /** What the code means, for docs/errors.md. */
  meaning: string;
  /** What to do next, when the case at hand has nothing more exact to say. */
  hint: string;
}

type Fault = ErrorFacts['fault'];

const row = (
  status: number,
  fault: Fault,
  retryable: boolean,
  meaning: string,
  hint: string,
): ErrorFacts => ({
  status,
  fault,
  retryable,
  meaning,
  hint,
});

/** The one table of error codes. `docs/errors.md` is written from it (`npm run docs`), and a test keeps them equal. */
export const ERROR_TABLE = {
  // Workflows.
  E_TIMEOUT: row(
    504,
    'author',
    false,
    'A step, call, wait or child of a workflow, or the whole execution, did not end in its time.',
    'Raise its timeout, or handle the error in the workflow.',
  ),
  E_HISTORY_TOO_LONG: row(
    413,
    'author',
    false,
    'The history of an execution reached the most entries or bytes that it may have.',
    'End it with `continueAsNew` from time to time, or split the work among child workflows.',
  ),
  E_TOO_MANY_OPERATIONS: row(
    413,
    'author',
    false,
    'A workflow has more operations open at once than it may.',
    'Use `map` with a concurrency limit, or split the work among child workflows.',
  ),
  E_NON_DETERMINISTIC: row(
    500,
    'author',
    false,
    'A workflow did something else at its replay than its history says.',
    'Put what may differ (time, chance, I/O) into a step, or deploy the change under a new workflow name.',
  ),
  E_WORKFLOW_STUCK: row(
    500,
    'author',
    false,
    'The code of a workflow neither ended nor waited for anything of the platform.',
    'Look for an endless loop, or for an `await` of something that is not a step.',
  ),
  E_NOT_SERIALIZABLE: row(
    500,
    'author',
    false,
    'A result cannot be written as JSON.',
    'Return plain data: no functions, no circular references, no BigInt.',
  ),
  E_EXECUTION_ENDED: row(
    409,
    'caller',
    false,
    'The execution has ended already.',
    'Start a new one, or look at how this one ended with `lambent run show`.',
  ),
  E_EXECUTION_CANCELLED: row(
    409,
    'caller',
    false,
    'The execution was cancelled.',
    'Start it again with `lambent run retry` if it is wanted after all.',
  ),
  E_CALLBACK_EXPIRED: row(
    410,
    'caller',
    false,
    'Nobody waits for an answer to this token any more.',
    'It was answered already, its time is over, or its execution has ended.',
  ),
  E_IDEMPOTENCY_CONFLICT: row(
    409,
    'caller',
    false,
    'The idempotency key was used before with another input.',
    'Use a new key for a new input.',
  ),
  // The request itself.
  E_BAD_REQUEST: row(
    400,
    'caller',
    false,
    'The request is not well formed.',
    'Correct the request and send it again.',
  ),
  E_UNAUTHENTICATED: row(
    401,
    'caller',
    false,
    'The API needs a token and got none that is valid.',
    'Send `Authorization: Bearer TOKEN`; `lambent start` prints a token on its first start.',
  ),
  E_TOO_MANY_ATTEMPTS: row(
    429,
    'caller',
    true,
    'Too many wrong tokens came from this address.',
    'Wait for the time in Retry-After, then send the right token.',
  ),
  E_FORBIDDEN: row(
    403,
    'caller',
    false,
    'The request comes from a place that is not allowed.',
    'Call from the same origin, or with a token instead of a browser.',
  ),
  E_HOST_REFUSED: row(
    421,
    'caller',
    false,
    'The Host header names a host this server does not answer for.',
    'Use localhost or 127.0.0.1, or allow the host with `--allow-host`.',
  ),
  E_ROUTE_NOT_FOUND: row(
    404,
    'caller',
    false,
    'No route of a live app matches.',
    'Compare with the routes that `lambent ls` prints.',
  ),
  E_METHOD_NOT_ALLOWED: row(
    405,
    'caller',
    false,
    'The path exists, but not with this method.',
    'Use one of the methods in the Allow header.',
  ),
  E_NOT_FOUND: row(
    404,
    'caller',
    false,
    'The named thing does not exist.',
    'Check the name; `lambent ls` lists what there is.',
  ),
  E_CONFLICT: row(
    409,
    'caller',
    true,
    'Someone else changed the same thing meanwhile.',
    'Read the present state and try again.',
  ),
  E_PAYLOAD_TOO_LARGE: row(
    413,
    'caller',
    false,
    'The body is over the limit.',
    'Send less, or raise the limit that the message names.',
  ),
  E_HEADERS_TOO_LARGE: row(
    431,
    'caller',
    false,
    'The request line and headers are over the limit.',
    'Send shorter headers or cookies.',
  ),
  E_REQUEST_TIMEOUT: row(
    408,
    'caller',
    true,
    'The head of the request did not arrive in time.',
    'Send the whole head of a request at once.',
  ),
  E_CLIENT_CLOSED: row(
    499,
    'caller',
    false,
    'The caller went away before the answer.',
    'Nothing to mend here; wait longer on the calling side.',
  ),

  // Apps: manifests, archives, builds.
  E_MANIFEST_INVALID: row(
    400,
    'author',
    false,
    'The manifest has an unknown key or a wrong value.',
    'Correct the line that the message names.',
  ),
  E_APP_EMPTY: row(
    400,
    'author',
    false,
    'The folder holds neither a manifest nor functions.',
    'Add a file to functions/, or run `lambent init`.',
  ),
  E_ARCHIVE_INVALID: row(
    400,
    'caller',
    false,
    'The uploaded archive is damaged or holds entries that are refused (links, devices, paths that leave the folder).',
    'Pack the folder with `lambent deploy`.',
  ),
  E_ARCHIVE_TOO_LARGE: row(
    413,
    'caller',
    false,
    'The uploaded archive, or what it unpacks to, is over the limit.',
    'Leave build results and data out with .lambentignore.',
  ),
  E_BUILD_FAILED: row(
    400,
    'author',
    false,
    'A function does not build: a syntax error, or an import that cannot be resolved.',
    'Mend the line that the message names.',
  ),
  E_DEPENDENCIES_FAILED: row(
    400,
    'author',
    false,
    'Installing the dependencies failed.',
    'Run the same command in the folder and read its output.',
  ),
  E_TOOLCHAIN_MISSING: row(
    400,
    'operator',
    false,
    'The machine lacks the language, or the version of it, that a function needs.',
    'Run the command that the message names; `lambent doctor` says which languages are ready.',
  ),
  E_HANDLER_MISSING: row(
    502,
    'author',
    false,
    'The function exports nothing that the platform can call, and starts no server.',
    'Export `default { fetch }`, a `handler`, a default function, or an app.',
  ),

  // Events.
  E_PATTERN_INVALID: row(
    400,
    'author',
    false,
    'An event pattern is not one of EventBridge’s language.',
    'Correct the part that the message names; docs/events.md lists the operators.',
  ),
  E_EVENT_INVALID: row(
    400,
    'caller',
    false,
    'An event is not a CloudEvent 1.0, or one of its attributes breaks a rule.',
    'Correct the attribute that the message names.',
  ),

  E_SIGNATURE_INVALID: row(
    401,
    'caller',
    false,
    'A webhook is not signed with a key of its trigger, or its signature is too old.',
    'Compare the key and the clock on both sides; docs/events.md says what each scheme signs.',
  ),
  E_SECRET_MISSING: row(
    500,
    'author',
    false,
    'A key that a trigger names has no value.',
    'Set the environment variable that the message names for the function, and deploy.',
  ),
  E_EVENT_LOOP: row(
    400,
    'author',
    false,
    'Events caused events in a chain that is longer than the limit.',
    'Look for a function that emits what triggers it; narrow the pattern of its trigger.',
  ),
  E_EVENT_UNDELIVERABLE: row(
    500,
    'author',
    false,
    'An event could not be delivered: the function that its trigger names is not live, or it reported the event as failed.',
    'See `lambent dead-letters`; deploy the function, or mend it, and redrive.',
  ),

  // Functions at run time.
  E_BOOT_FAILED: row(
    502,
    'author',
    false,
    'The code of the function threw while it was loaded.',
    'Read the error in `lambent logs`; it names the source line.',
  ),
  E_FUNCTION_ERROR: row(
    500,
    'author',
    false,
    'The function threw an error or rejected.',
    'Read the error in `lambent logs`; it names the source line.',
  ),
  E_FUNCTION_RESPONSE_INVALID: row(
    502,
    'author',
    false,
    'The function answered something that is not a valid response.',
    'Return a Response, or an object with statusCode, headers and body.',
  ),
  E_RESPONSE_TOO_LARGE: row(
    502,
    'author',
    false,
    'The function answered more than its limit.',
    'Stream less, or raise `maxResponseMb` in the manifest.',
  ),
  E_FUNCTION_TIMEOUT: row(
    504,
    'author',
    false,
    'The function did not finish within its time limit and was stopped.',
    'Make it faster, or raise `timeout` in the manifest.',
  ),
  E_FUNCTION_EXITED: row(
    502,
    'author',
    false,
    'The process of the function ended while it was working.',
    'Do not call process.exit() in a function; look for crashes in `lambent logs`.',
  ),
  E_OUT_OF_MEMORY: row(
    502,
    'author',
    false,
    'The function used more memory than its limit and was stopped.',
    'Use less, or raise `memory` in the manifest.',
  ),
  E_TOO_MANY_PROCESSES: row(
    502,
    'author',
    false,
    'The function started more processes and threads than an instance may have and was stopped.',
    'Start fewer at a time, and wait for those that have ended.',
  ),
  E_PROTOCOL: row(
    502,
    'author',
    false,
    'The process of the function broke the protocol with the platform and was stopped.',
    'Do not write to file descriptor 3; if nothing does, report this as a defect.',
  ),
  E_UPGRADE_REFUSED: row(
    426,
    'caller',
    false,
    'The function did not accept the WebSocket or other upgrade.',
    'Call it with plain HTTP.',
  ),
  E_CONCURRENCY_LIMIT: row(
    429,
    'caller',
    true,
    'The function already runs as often as its limit allows and its queue is full.',
    'Retry later, or raise `maxConcurrency` in the manifest.',
  ),
  E_CALL_DEPTH: row(
    508,
    'author',
    false,
    'Functions called each other in a chain that is longer than allowed: most often a loop.',
    'End the loop: the chain of calls is in the history of invocations. A chain may have 16 calls.',
  ),
  E_CALL_DEADLOCK: row(
    508,
    'author',
    false,
    'A function waits for a call of itself that can never get a place, because those that wait have them all.',
    'Raise `maxConcurrency` or `maxInstances` of the function, or call it asynchronously.',
  ),
  E_TOO_MANY_CALLS: row(
    429,
    'author',
    true,
    'One instance of a function has more calls to the platform open, or more bytes in them, than allowed.',
    'Wait for some of the calls before you make more.',
  ),

  // The platform.
  E_OVERLOADED: row(
    503,
    'operator',
    true,
    'The platform has more work waiting than it accepts.',
    'Retry after the time in Retry-After.',
  ),
  E_START_FAILED: row(
    503,
    'operator',
    true,
    'A process for the function could not be started.',
    'Run `lambent doctor`; it names what is missing.',
  ),
  E_ISOLATION_TOO_WEAK: row(
    500,
    'operator',
    false,
    'Functions would be isolated less well than is required.',
    'Install what `lambent doctor` names, or accept the level with --accept-isolation.',
  ),
  E_SHUTTING_DOWN: row(503, 'operator', true, 'The platform is stopping.', 'Retry in a moment.'),
  E_PORT_IN_USE: row(
    500,
    'operator',
    false,
    'Another program listens on the port.',
    'Stop it, or choose another port with --port.',
  ),
  E_STORE_LOCKED: row(
    503,
    'operator',
    true,
    'Another process holds the data folder.',
    'Stop the other Lambent, or give this one its own folder with --data.',
  ),
  E_STORE_NEWER: row(
    500,
    'operator',
    false,
    'The data folder was written by a newer version of Lambent.',
    'Use that version or a newer one; nothing was changed.',
  ),
  E_STORE_DAMAGED: row(
    500,
    'operator',
    false,
    'The database is damaged or is not a database of Lambent.',
    'Restore the data folder from a backup; nothing was changed.',
  ),
  E_DISK_FULL: row(
    507,
    'operator',
    true,
    'The disk of the data folder is full.',
    'Free some space; work goes on by itself then.',
  ),
  E_STORE_FAILED: row(
    500,
    'operator',
    true,
    'The database refused an operation.',
    'Look at the log of the platform for the cause.',
  ),
  E_NODE_MISSING: row(
    500,
    'operator',
    false,
    'The pinned Node.js is not installed.',
    'Run `npm ci` without `--omit=optional`.',
  ),
  E_INTERNAL: row(500, 'operator', false, 'A defect in Lambent.', 'Please report it with the request id.'),

  // The command line.
  E_FILE: row(
    500,
    'operator',
    false,
    'The system refused to read or write a file or folder.',
    'Look at the path and the reason in the message: rights, space, or a name that is taken.',
  ),
  E_USAGE: row(400, 'caller', false, 'The command line is not understood.', 'Run the command with --help.'),
  E_UNREACHABLE: row(
    503,
    'operator',
    true,
    'No Lambent answers at the address.',
    'Start one with `lambent dev` or `lambent start`, or name another with --to.',
  ),
  // State machines.
  E_WORKFLOW_FAILED: row(
    500,
    'author',
    false,
    'An execution of a state machine failed: a Fail state, or an error that no Catch took.',
    'Look at its history for the state that failed.',
  ),
  E_TASK_FAILED: row(
    502,
    'author',
    true,
    'A task of a state machine failed outside the platform: a worker, an HTTP endpoint, a store said so.',
    'Look at the error and cause; Retry and Catch of the state decide what follows.',
  ),
  E_INVALID_DEFINITION: row(
    422,
    'author',
    false,
    'A definition in Amazon States Language is not valid.',
    'Correct what the message points at.',
  ),
} as const satisfies Record<string, ErrorFacts>;

export type ErrorCode = keyof typeof ERROR_TABLE;

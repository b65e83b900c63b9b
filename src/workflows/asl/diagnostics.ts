/** What is wrong with a definition, as ValidateStateMachineDefinition tells it. */
export interface Diagnostic {
  readonly severity: 'ERROR' | 'WARNING';
  readonly code: DiagnosticCode;
  readonly message: string;
  /** JSON pointer (RFC 6901) into the definition. */
  readonly location: string;
}

export type DiagnosticCode =
  | 'INVALID_JSON_DESCRIPTION'
  | 'MISSING_DESCRIPTION'
  | 'SCHEMA_VALIDATION_FAILED'
  | 'MISSING_TRANSITION_TARGET'
  | 'MISSING_END_STATE'
  | 'DUPLICATE_STATE_NAME'
  | 'INVALID_STATE_NAME'
  | 'DUPLICATE_LABEL_NAME'
  | 'INVALID_LABEL_NAME'
  | 'INVALID_RESOURCE'
  | 'TOO_DEEPLY_NESTED'
  | 'INVALID_JSONATA_EXPRESSION'
  | 'UNSUPPORTED_JSONATA_EXPRESSION'
  | 'INVALID_JSONPATH'
  | WarningCode;

/** What runs all the same, and is most likely not meant. */
export type WarningCode =
  /** A value that looks like a path or a call, in a field whose name does not end in `.$`. */
  | 'NO_DOLLAR'
  /** A value that looks like a path, in a field that takes none. */
  | 'NO_PATH'
  | 'PASS_RESULT_IS_STATIC'
  /** A service that there is on AWS and not here. */
  | 'UNSUPPORTED_RESOURCE';

/** A definition with more than this many faults is told about the first of them only. */
const DIAGNOSTICS_MAX = 100;

/** Collects what validation finds. */
export class Findings {
  readonly list: Diagnostic[] = [];
  /** Whether the machine is of the type EXPRESS. */
  readonly isExpress: boolean;
  /** Names of all states, to find those that occur twice. */
  readonly stateNames = new Map<string, string>();
  /** Labels of distributed Maps, in the same way. */
  readonly labels = new Set<string>();

  constructor(isExpress = false) {
    this.isExpress = isExpress;
  }

  error(location: string, message: string, code: DiagnosticCode = 'SCHEMA_VALIDATION_FAILED'): void {
    this.#add({ severity: 'ERROR', code, message, location });
  }

  warning(location: string, message: string, code: WarningCode): void {
    this.#add({ severity: 'WARNING', code, message, location });
  }

  get hasErrors(): boolean {
    return this.list.some(({ severity }) => severity === 'ERROR');
  }

  #add(diagnostic: Diagnostic): void {
    // An error is told whatever warnings came before it.
    if (this.list.length < DIAGNOSTICS_MAX || (diagnostic.severity === 'ERROR' && !this.hasErrors))
      this.list.push(diagnostic);
  }
}

/** `a/b` within a pointer. */
export function pointer(base: string, name: string | number): string {
  return `${base}/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** What a state's validation needs of the flow around it. */
export interface Surroundings {
  /** Says that the state leads to another. */
  follow(target: unknown, location: string): void;
  /** Validates a flow within the state. */
  flow(inner: unknown, location: string, isProcessor: boolean): void;
}

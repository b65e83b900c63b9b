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
  | 'SCHEMA_VALIDATION_FAILED'
  | 'MISSING_TRANSITION_TARGET'
  | 'DUPLICATE_STATE_NAME'
  | 'INVALID_JSONATA_EXPRESSION'
  | 'INVALID_JSONPATH';

/** A definition with more than this many faults is told about the first of them only. */
const DIAGNOSTICS_MAX = 100;

/** Collects what validation finds. */
export class Findings {
  readonly list: Diagnostic[] = [];
  /** Names of all states, to find those that occur twice. */
  readonly stateNames = new Map<string, string>();

  error(location: string, message: string, code: DiagnosticCode = 'SCHEMA_VALIDATION_FAILED'): void {
    if (this.list.length < DIAGNOSTICS_MAX) this.list.push({ severity: 'ERROR', code, message, location });
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
  flow(inner: unknown, location: string, isProcessor: boolean, jsonata: boolean): void;
}

import { AwsError } from './aws-error.ts';

/** The one version there is, by AWS' name for it. */
export const LATEST = '$LATEST';

/** `app--name` with both parts at their longest, and an ARN around it. */
const NAME_CHARS_MAX = 260;

const ARN = /^arn:aws[a-zA-Z-]*:lambda:[a-z0-9-]+:\d{12}:function:([^:]+)(?::([^:]+))?$/;
const PARTIAL_ARN = /^\d{12}:function:([^:]+)(?::([^:]+))?$/;
const PLAIN = /^([A-Za-z0-9_-]+)(?::([^:]+))?$/;

/**
 * Reads what the Invoke operation takes for a function: a name, a partial ARN or a whole ARN, each with an optional
 * qualifier, percent-encoded as in the path.
 */
export function parseFunctionName(
  encoded: string,
  qualifierParameter: string | null,
): { name: string; qualifier: string } {
  const text = decode(encoded);
  const match = ARN.exec(text) ?? PARTIAL_ARN.exec(text) ?? PLAIN.exec(text);
  const name = match?.[1];
  if (name === undefined || !/^[A-Za-z0-9_-]+$/.test(name) || text.length > NAME_CHARS_MAX) {
    throw new AwsError(
      400,
      'InvalidParameterValueException',
      'The function name is neither a name, as `hello` or `app--hello`, nor an ARN.',
    );
  }
  const inName = match?.[2];
  if (inName !== undefined && qualifierParameter !== null && inName !== qualifierParameter) {
    throw new AwsError(
      400,
      'InvalidParameterValueException',
      'The qualifier in the function name and the Qualifier parameter differ.',
    );
  }
  return { name, qualifier: inName ?? qualifierParameter ?? LATEST };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

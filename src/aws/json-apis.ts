/** One of AWS' APIs that share `POST /` and differ by X-Amz-Target. */
export interface AwsJsonApi {
  /** Whether an X-Amz-Target is of this API. */
  matches(awsTarget: string): boolean;
  /** Never rejects. `remoteAddress`: IP address of the connection's other end. */
  fetch(request: Request, remoteAddress: string): Promise<Response>;
}

/** Several as one. What none of them knows goes to the first, which says so in AWS' own way. */
export function joinJsonApis(apis: readonly [AwsJsonApi, ...AwsJsonApi[]]): AwsJsonApi {
  return {
    matches: (awsTarget) => apis.some((api) => api.matches(awsTarget)),
    fetch(request, remoteAddress) {
      const awsTarget = request.headers.get('x-amz-target') ?? '';
      return (apis.find((api) => api.matches(awsTarget)) ?? apis[0]).fetch(request, remoteAddress);
    },
  };
}

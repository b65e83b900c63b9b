interface HttpEvent {
  body?: string;
  isBase64Encoded?: boolean;
}

// A handler with AWS Lambda's signature: over HTTP it gets API Gateway's event (payload 2.0), and what it
// returns is the response. Called with `lambent invoke add --data '{"a": 1, "b": 2}'`, it gets the event itself.
export const handler = async (event: HttpEvent & { a?: number; b?: number }) => {
  const text = event.isBase64Encoded ? Buffer.from(event.body ?? '', 'base64').toString() : event.body;
  const { a = 0, b = 0 } = text ? JSON.parse(text) : event;
  console.log(`adding ${a} and ${b}`);
  return { sum: a + b };
};

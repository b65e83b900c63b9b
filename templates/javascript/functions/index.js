// Served at "/". Any function of this shape will do: event in, JSON out.
export default async (event) => {
  const name = event.queryStringParameters?.name ?? 'world';
  return { message: `Hello, ${name}!` };
};

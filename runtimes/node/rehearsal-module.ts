/** What `rehearse` imports: a module of an author, as small as it gets. */
export default { fetch: (): Response => new Response('ok') };
export const handler = async (event: {
  version?: string;
}): Promise<{ statusCode: number; body: string }> => ({
  statusCode: 200,
  body: String(event.version),
});

import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { Readable } from 'node:stream';
import { ownAddresses } from '../base/own-addresses.ts';
import { type EgressPolicy, withoutMapping } from '../model/egress-policy.ts';

/** A request that an HTTP task makes. */
export interface HttpTaskRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: string | undefined;
  readonly signal: AbortSignal;
}

/** A connection that the policy refuses, in a sentence. */
export class ConnectionRefused extends Error {}

/**
 * Makes one request from the platform itself to where `policy` allows. Names are looked at before they are resolved,
 * addresses afterwards, and what was looked at is what is connected to. Each request has a connection of its own: one
 * that another policy opened is never used again. Redirects are not followed, and no answer is decompressed.
 */
export function requestPoliced(request: HttpTaskRequest, policy: EgressPolicy): Promise<Response> {
  const { url, method, headers, body, signal } = request;
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (isTls ? 443 : 80) : Number(url.port);
  if (!policy.allowsName(host, port))
    throw new ConnectionRefused(`A connection to ${host}:${port} was refused: \`network\` does not list it.`);
  // An address by itself is connected to without being looked up.
  if (isIP(host) !== 0) allowed([{ address: host, family: isIP(host) }], host, port, policy);
  return new Promise((resolve, reject) => {
    const send = isTls ? requestHttps : requestHttp;
    const fields = Object.fromEntries(headers);
    const outgoing = send(
      url,
      { method, headers: fields, signal, agent: false, lookup: policedLookup(port, policy) },
      (incoming) => {
        try {
          resolve(responseOf(incoming));
        } catch (thrown) {
          incoming.destroy();
          reject(thrown);
        }
      },
    );
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

function policedLookup(port: number, policy: EgressPolicy): LookupFunction {
  return (host, options: LookupOptions, done) => {
    lookup(host, { ...options, all: true })
      .then((found) => {
        const addresses = allowed(found, host, port, policy);
        if (options.all === true) done(null, addresses);
        else done(null, addresses[0]!.address, addresses[0]!.family);
      })
      .catch((thrown: NodeJS.ErrnoException) => done(thrown, []));
  };
}

/** Those of the addresses that may be connected to, at least one. */
function allowed(
  found: readonly LookupAddress[],
  host: string,
  port: number,
  policy: EgressPolicy,
): LookupAddress[] {
  const own = ownAddresses();
  const fit = found.filter(({ address }) => policy.allowsAddress(host, withoutMapping(address), port, own));
  if (fit.length > 0) return fit;
  const which = found[0] === undefined || found[0].address === host ? '' : ` (${found[0].address})`;
  throw new ConnectionRefused(
    `A connection to ${host}:${port} was refused: it is not a public address${which}. The manifest of an app allows it with \`network\`, the operator with --allow-network.`,
  );
}

function responseOf(incoming: IncomingMessage): Response {
  const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = incoming;
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  const bodiless = status === 204 || status === 205 || status === 304;
  if (bodiless) incoming.resume();
  const body = bodiless ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
  return new Response(body, { status, statusText, headers });
}

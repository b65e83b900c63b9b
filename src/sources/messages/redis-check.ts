import type { Address } from '../../model/connection.ts';
import type { RedisSource } from '../../model/message-source.ts';
import type { TriggerSource } from '../../model/trigger.ts';
import type { ConnectionCheck } from '../../ports/connection-driver.ts';
import { connectRedis, type Send } from './redis-client.ts';

/** XAUTOCLAIM came with this version. */
const VERSION_MIN = [6, 2] as const;
const RIGHTS = '+xgroup +xreadgroup +xautoclaim +xack +xinfo';

export async function* checkRedis(
  address: Address,
  sources: readonly TriggerSource[],
): AsyncGenerator<ConnectionCheck, void, undefined> {
  const { send, close } = await connectRedis(address, 'lambent-test');
  try {
    await send('PING');
    yield { name: 'login', ok: true, text: 'Redis takes commands.' };
    yield await checkVersion(send);
    for (const source of sources) if (source.kind === 'redis') yield await checkStream(send, source);
  } finally {
    close();
  }
}

async function checkVersion(send: Send): Promise<ConnectionCheck> {
  const info = String(await send('INFO', 'server').catch(() => ''));
  const version = /redis_version:((\d+)\.(\d+)\S*)/.exec(info);
  // Not everybody may ask; then the commands themselves will tell.
  if (version === null) return { name: 'version', ok: true, text: 'The server does not tell its version.' };
  const [major, minor] = [Number(version[2]), Number(version[3])];
  const ok = major > VERSION_MIN[0] || (major === VERSION_MIN[0] && minor >= VERSION_MIN[1]);
  const text = `The server is version ${version[1]}.`;
  return ok
    ? { name: 'version', ok, text }
    : { name: 'version', ok, text, fix: `Use Redis ${VERSION_MIN.join('.')} or newer.` };
}

/** Each command that reading takes, in a form that changes nothing: the server looks at rights before anything else. */
async function checkStream(send: Send, { stream }: RedisSource): Promise<ConnectionCheck> {
  const name = `stream ${stream}`;
  const group = 'lambent-test';
  for (const command of [
    ['XINFO', 'GROUPS', stream],
    ['XGROUP', 'CREATE', stream, group, 'no-id'],
    ['XREADGROUP', 'GROUP', group, group, 'COUNT', '1', 'STREAMS', stream, 'no-id'],
    ['XAUTOCLAIM', stream, group, group, '1', 'no-id'],
    ['XACK', stream, group, 'no-id'],
  ]) {
    const reply = await send(...command).then(
      () => '',
      (error: unknown) => String((error as Error).message),
    );
    if (/^NOPERM/.test(reply))
      return {
        ...{ name, ok: false, text: `The user may not do what reading takes (${reply}).` },
        fix: `ACL SETUSER the-user ~${stream} ${RIGHTS}`,
      };
    if (/^WRONGTYPE/.test(reply))
      return {
        name,
        ok: false,
        text: 'The key holds something else than a stream.',
        fix: 'Name another key.',
      };
  }
  return { name, ok: true, text: 'It can be read by a consumer group.' };
}

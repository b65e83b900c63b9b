import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import type { UpstreamProxy } from '../../ports/build-sandbox.ts';
import { findProgram } from './run-tool.ts';

/**
 * What of the machine's configuration tools in a sandbox need to work as outside: where packages come from, whom to
 * trust, which way leads out. Credentials among it are for tools that run nobody else's code (package managers as they
 * download); code of packages and authors gets the same addresses without them.
 */

/** Variables that name a file or folder of certificates. */
const CERTIFICATES = [
  ...['SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_EXTRA_CA_CERTS', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'],
  ...['GIT_SSL_CAINFO', 'PIP_CERT', 'CARGO_HTTP_CAINFO'],
];
/** Lines of npm's configuration that say where packages come from. */
const NPMRC_KEPT =
  /^\s*((@[^:=\s]+:)?registry|\/\/[^=]*:(_authToken|_auth|username|_password|email)|strict-ssl|omit-lockfile-registry-resolved)\s*=/;
const NPM_FILE_SETTINGS = /^\s*(cafile)\s*=\s*(\S+)\s*$/;
const NPM_REGISTRY = /^\s*(?:@[^:=\s]+:)?registry\s*=\s*(\S+)\s*$/;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

/** The certificates that the machine's environment names, as far as they are there. */
export function certificateSettings(): { env: Record<string, string>; paths: string[] } {
  const env: Record<string, string> = {};
  for (const name of CERTIFICATES) {
    const path = process.env[name];
    if (path?.startsWith('/') === true && existsSync(path)) env[name] = path;
  }
  return { env, paths: Object.values(env) };
}

export interface NpmSettings {
  /** For a file that npm reads as the user's. Holds credentials. */
  readonly text: string;
  /** The same without them. */
  readonly openText: string;
  readonly registries: readonly string[];
  /** Files that it names. */
  readonly paths: readonly string[];
}

/** npm's settings of the machine and of the platform's user; those of the environment win. */
export function npmSettings(): NpmSettings {
  const npm = findProgram('npm');
  const files = [
    ...(npm === undefined ? [] : [join(dirname(dirname(npm)), 'etc', 'npmrc')]),
    process.env.npm_config_globalconfig,
    process.env.npm_config_userconfig ?? join(homedir(), '.npmrc'),
  ];
  const lines: string[] = [];
  const paths: string[] = [];
  for (const file of files) {
    for (const line of readOrEmpty(file).split('\n')) {
      const [, name, path] = NPM_FILE_SETTINGS.exec(line) ?? [];
      if (name !== undefined && existsSync(path!)) paths.push(path!);
      if (name !== undefined || NPMRC_KEPT.test(line)) lines.push(line.trim());
    }
  }
  const fromEnv = process.env.npm_config_registry;
  if (fromEnv !== undefined) lines.push(`registry=${fromEnv}`);
  const registries = lines.flatMap((line) => NPM_REGISTRY.exec(line)?.[1] ?? []);
  const textOf = (kept: readonly string[]): string => kept.map((line) => `${line}\n`).join('');
  const openLines = lines.filter((line) => !/^\/\//.test(line)).map(withoutCredentials);
  return { text: textOf(lines), openText: textOf(openLines), registries, paths };
}

/** The proxy that the environment names for the way out. */
export function upstreamProxy(): UpstreamProxy | undefined {
  const { env } = process;
  const named = [env.HTTPS_PROXY, env.https_proxy, env.HTTP_PROXY, env.http_proxy, env.ALL_PROXY].find(
    Boolean,
  );
  const url = named === undefined ? undefined : parseUrl(named.includes('://') ? named : `http://${named}`);
  if (url === undefined || url.protocol !== 'http:') return undefined;
  const { username, password } = url;
  const credentials =
    username === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const except = (env.NO_PROXY ?? env.no_proxy ?? '')
    .split(',')
    .map((entry) => entry.trim().toLowerCase().replace(/:\d+$/, ''))
    .filter(Boolean);
  return { host: hostOf(url), port: Number(url.port || HTTP_PORT), credentials, except };
}

/** `host:port` of addresses of registries; what is no such address is left out. */
export function placesOf(urls: readonly string[]): string[] {
  return urls.flatMap((text) => {
    const url = parseUrl(text);
    if (url === undefined || !/^https?:$/.test(url.protocol)) return [];
    return [`${hostOf(url)}:${url.port || (url.protocol === 'https:' ? HTTPS_PORT : HTTP_PORT)}`];
  });
}

/** An address without user and password; any other text as it is. */
export function withoutCredentials(text: string): string {
  return text.replace(/(\bhttps?:\/\/)[^/\s@]*@/g, '$1');
}

/**
 * Folders of programs on the PATH, and what they need beside them, where that can be told: a version manager's folder,
 * a folder of its own outside of anybody's home. `keptOut`: a folder that must not be shown along.
 */
export function programFolders(keptOut: string): string[] {
  const home = homedir();
  const rustup = process.env.RUSTUP_HOME ?? join(home, '.rustup');
  const folders = (process.env.PATH ?? '').split(delimiter).filter((path) => path.startsWith('/'));
  const wide = folders.map((path) => {
    const around = dirname(path);
    const isOwn = path.startsWith(`${home}/`)
      ? /\/\.(pyenv|nvm|asdf|volta|sdkman)\//.test(path)
      : around.split('/').length > 2;
    return /^(s?bin|shims)$/.test(basename(path)) && isOwn && !`${keptOut}/`.startsWith(`${around}/`)
      ? around
      : path;
  });
  return [...wide, rustup].filter((path) => existsSync(path) && !`${keptOut}/`.startsWith(`${path}/`));
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function readOrEmpty(path: string | undefined): string {
  try {
    return path === undefined ? '' : readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

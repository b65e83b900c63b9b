/**
 * Programs that are made from their source by a command of their author's. They are in Perl here, because it is on every
 * machine that has git; to the platform they are programs like any other.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { PlatformEvent } from '../src/server/main.ts';
import { type AppFiles, startTestPlatform, type TestPlatform, writeApp } from './platform-harness.ts';
import { isAlive, poll } from './process-table.ts';

/** A web server in what comes with Perl; it says what it was made of. */
const SERVER = `use strict;
use warnings;
use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 5, ReuseAddr => 1) or die "cannot bind: $!";
while (my $client = $server->accept) {
  my $first = <$client> // '';
  while (defined(my $line = <$client>)) { last if $line =~ /^\\r?$/; }
  my $text = "MADE_OF in perl";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: " . length($text) . "\\r\\nConnection: close\\r\\n\\r\\n" . $text;
  close $client;
}
`;
/** Makes the server, and tells what it found around it. */
const COMPILE = `use strict;
use warnings;
mkdir 'dist';
open my $in, '<', 'server.pl.in' or die; local $/; my $text = <$in>;
open my $w, '<', 'word.txt' or die; my $word = <$w>; $word =~ s/\\s+$//;
$text =~ s/MADE_OF/$word/;
open my $out, '>', 'dist/server.pl' or die; print $out $text; close $out;
my $cache = "$ENV{LAMBENT_BUILD_CACHE}/times";
my $times = 1 + (-e $cache ? -s $cache : 0);
open my $count, '>>', $cache or die; print $count 'x'; close $count;
$| = 1;
print "made $word, time $times\\n";
print "env: $_\\n" for sort grep { /^(CI|LAMBENT_.*|npm_config_.*|BUILD_STEP_SECRET)$/ } keys %ENV;
`;
const BOOTSTRAP_SOURCE = `#!/usr/bin/perl
use strict;
use warnings;
use IO::Socket::INET;
# The Runtime API, asked without any library.
sub ask {
  my ($method, $path, $body) = @_;
  my $socket = IO::Socket::INET->new(PeerAddr => $ENV{AWS_LAMBDA_RUNTIME_API}) or die;
  print $socket "$method /2018-06-01/runtime/$path HTTP/1.1\\r\\nHost: api\\r\\nConnection: close\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body";
  local $/;
  my ($head, $rest) = split /\\r\\n\\r\\n/, <$socket>, 2;
  return ($head, $rest);
}
while (1) {
  my ($head, $event) = ask('GET', 'invocation/next', '');
  my ($id) = $head =~ /^lambda-runtime-aws-request-id: (\\S+)/mi;
  ask('POST', "invocation/$id/response", "{\\"perl\\":$event}");
}
`;

const APP: AppFiles = {
  'lambent.yaml': `
app: made
functions:
  web: { entry: web, command: perl dist/server.pl, build: perl compile.pl, routes: ["/web"] }
  small: { entry: web, command: [perl, server.pl], build: { run: perl compile.pl, output: dist, timeout: 1m }, routes: ["/small"] }
  own: { entry: own/bootstrap, build: [/bin/sh, -c, "cp bootstrap.pl bootstrap && chmod +x bootstrap"], routes: [] }
  linked: { entry: linked, command: node_modules/.bin/server, build: node_modules/.bin/server build, routes: ["/linked"] }
  lacking: { entry: web, command: perl dist/server.pl, build: no-such-compiler --release, routes: ["/lacking"] }
`,
  'web/server.pl.in': SERVER,
  'web/compile.pl': COMPILE,
  'web/word.txt': 'oak\n',
  'own/bootstrap.pl': BOOTSTRAP_SOURCE,
  'linked/node_modules/server/cli.js': `#!/usr/bin/env node
const { text } = require('./text.js');
if (process.argv[2] === 'build') console.log('linked: builds ' + text);
else require('node:http').createServer((_, response) => response.end(text)).listen(process.env.PORT, '127.0.0.1');
`,
  'linked/node_modules/server/text.js': `exports.text = 'from beside the program';`,
};

type Deployed = Extract<PlatformEvent, { kind: 'deployed' }>;
type Failed = Extract<PlatformEvent, { kind: 'deployFailed' }>;

let lambent: TestPlatform;

const linesSince = (seen: number): string[] =>
  lambent.events.slice(seen).flatMap((event) => (event.kind === 'line' ? [event.line.text] : []));
/** Saves a file, and waits for what comes of it. */
async function save(path: string, text: string): Promise<{ event: Deployed | Failed; lines: string[] }> {
  const seen = lambent.events.length;
  await writeFile(join(lambent.folder, 'made', path), text);
  const event = await lambent.waitFor(
    (each): each is Deployed | Failed =>
      lambent.events.indexOf(each) >= seen &&
      ((each.kind === 'deployed' && each.reload) || each.kind === 'deployFailed'),
  );
  return { event, lines: linesSince(seen) };
}
const textOf = async (path: string): Promise<string> => (await lambent.fetch(path)).text();

before(async () => {
  process.env.BUILD_STEP_SECRET = 'not for builds';
  const root = await mkdtemp(join(tmpdir(), 'lambent-build-step-'));
  const app = await writeApp(join(root, 'made'), APP);
  await mkdir(join(app, 'linked/node_modules/.bin'));
  await symlink('../server/cli.js', join(app, 'linked/node_modules/.bin/server'));
  lambent = await startTestPlatform({}, { folder: root, folders: [app] });
});
after(async () => {
  delete process.env.BUILD_STEP_SECRET;
  await lambent?.close();
});

describe('a program that is made by its `build`', { timeout: 60_000 }, () => {
  it('is deployed as that leaves it, in a copy of its folder', async () => {
    assert.equal(await textOf('/web'), 'oak in perl');
    assert.equal(await textOf('/small'), 'oak in perl');
    assert.ok(!existsSync(join(lambent.folder, 'made/web/dist')));
    const { json } = await lambent.api('POST', '/apps/made/functions/own/invocations', { a: 1 });
    assert.deepEqual((json as { result: unknown }).result, { perl: { a: 1 } });
  });

  it('is made in a clean environment, and its lines are told', () => {
    const lines = linesSince(0).filter((text) => text.startsWith('web: '));
    assert.deepEqual(lines, [
      'web: perl compile.pl',
      'web: made oak, time 1',
      'web: env: CI',
      'web: env: LAMBENT_BUILD_CACHE',
      'web: env: npm_config_ignore_scripts',
    ]);
  });

  it('finds the programs of npm packages by their links, before and after', async () => {
    assert.ok(linesSince(0).includes('linked: linked: builds from beside the program'));
    assert.equal(await textOf('/linked'), 'from beside the program');
  });

  it('whose compiler is not there is left out in dev, and the others run', () => {
    const line = linesSince(0).find((text) => text.startsWith('lacking is left out'));
    assert.match(line ?? '', /no-such-compiler --release.*exit code 127[\s\S]*not found[\s\S]*on its PATH/);
  });

  it('is made again when its source changes, and not otherwise', async () => {
    const changed = await save('web/word.txt', 'elm\n');
    assert.equal(changed.event.kind, 'deployed');
    assert.equal(await textOf('/web'), 'elm in perl');
    assert.ok(changed.lines.includes('web: made elm, time 2'));
    assert.ok(!changed.lines.some((text) => text.startsWith('own: ')));
  });

  it('that fails changes nothing, and says how', async () => {
    const { event } = await save('web/compile.pl', 'print "one\\n"; die "no such tree at all\\n";');
    assert.equal(event.kind, 'deployFailed');
    const { code, message, hint } = (event as Failed).error;
    assert.equal(code, 'E_BUILD_FAILED');
    assert.match(
      message,
      /`build of web: perl compile\.pl` failed \(exit code \d+\):\n[^`]*no such tree at all/,
    );
    assert.equal(hint, 'Run `perl compile.pl` in the folder and read its output.');
    assert.equal(await textOf('/web'), 'elm in perl');
    const left = await save('web/compile.pl', 'print "nothing made\\n";');
    assert.match((left.event as Failed).error.message, /the build of small left no folder `dist`/);
    const plain = await save('own/bootstrap.pl', '#!/bin/sh\n');
    assert.equal(plain.event.kind, 'deployFailed');
    await save('web/compile.pl', COMPILE);
    await save('own/bootstrap.pl', BOOTSTRAP_SOURCE);
  });

  it('that takes longer than it may is stopped with all that it started', async () => {
    const manifest = await readFile(join(lambent.folder, 'made/lambent.yaml'), 'utf8');
    const endless = `${manifest}  endless: { entry: own, command: "true", build: { run: "sleep 1000 & echo pid $!; wait", timeout: 1s }, routes: [] }\n`;
    const { event, lines } = await save('lambent.yaml', endless);
    assert.match((event as Failed).error.message, /stopped after 1000 ms/);
    const pid = Number(/^endless: pid (\d+)$/m.exec(lines.join('\n'))?.[1]);
    assert.ok(pid > 0);
    await poll(() => !isAlive(pid));
    await save('lambent.yaml', manifest);
  });

  it('is refused in the manifest where it means nothing', async () => {
    const manifest = await readFile(join(lambent.folder, 'made/lambent.yaml'), 'utf8');
    const wrong = `${manifest}  js: { entry: web/x.js, build: make, routes: [] }
  out: { entry: web, command: "true", build: { run: make, output: ../x, timeout: 2h }, routes: [] }
`;
    const { message } = ((await save('lambent.yaml', wrong)).event as Failed).error;
    for (const part of [
      /`functions\.js\.build` is for functions with a `command`, or whose `entry` is a `bootstrap`/,
      /functions\.out\.build\.output/,
      /functions\.out\.build\.timeout/,
    ])
      assert.match(message, part);
    const misspelt = `${manifest}  odd: { entry: web, command: "true", build: { run: make, outputs: x }, routes: [] }\n`;
    assert.match(
      ((await save('lambent.yaml', misspelt)).event as Failed).error.message,
      /unknown key `outputs` in `functions\.odd\.build`; did you mean `output`\?/,
    );
    await save('lambent.yaml', manifest);
  });
});

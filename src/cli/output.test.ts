import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock } from '../base/manual-clock.ts';
import { createInterrupts } from './interrupts.ts';
import { createStyle, formatDuration, renderTable, visible, visibleWithColours } from './output.ts';
import { startProgress } from './progress.ts';
import type { TextSink } from './terminal.ts';
import { createTestTerminal } from './test-terminal.ts';
import { readLines, readServerSentEvents } from './text-lines.ts';

const sink = (isTerminal: boolean): TextSink => ({ write() {}, isTerminal, columns: 80 });
const plain = createStyle(sink(false), {});

describe('output', () => {
  it('colours only on a terminal, and not with NO_COLOR or a dumb terminal', () => {
    assert.equal(createStyle(sink(true), {}).red('x'), '\x1b[31mx\x1b[39m');
    assert.equal(createStyle(sink(true), { NO_COLOR: '' }).red('x'), '\x1b[31mx\x1b[39m');
    assert.equal(createStyle(sink(false), {}).red('x'), 'x');
    assert.equal(createStyle(sink(true), { NO_COLOR: '1' }).red('x'), 'x');
    assert.equal(createStyle(sink(true), { TERM: 'dumb' }).red('x'), 'x');
  });

  it('aligns columns and leaves no trailing blanks', () => {
    const table = renderTable(
      [{ title: 'NAME' }, { title: 'N', align: 'right' }, { title: 'NOTE' }],
      [
        ['a', '1', ''],
        ['longer', '100', 'x'],
      ],
      plain,
    );
    assert.equal(table, 'NAME      N  NOTE\na         1\nlonger  100  x\n');
  });

  it('shows what would steer the terminal', () => {
    assert.equal(visible('a\x1b]0;evil\x07\r\n\tb\u009b'), 'a\\x1b]0;evil\\x07\\x0d\\x0a\tb\\x9b');
    assert.equal(visibleWithColours('\x1b[31mred\x1b[2J', true), '\x1b[31mred\\x1b[2J\x1b[0m');
    assert.equal(visibleWithColours('\x1b[31mred\x1b[0m', false), 'red');
    assert.equal(renderTable([{ title: 'T' }], [['\x1b[2J']], plain), 'T\n\\x1b[2J\n');
  });

  it('writes durations with two or three digits that count', () => {
    assert.deepEqual([0.04, 1.24, 9.96, 84.4, 999.6, 1_240, 59_960, 185_000].map(formatDuration), [
      '0.0 ms',
      '1.2 ms',
      '10 ms',
      '84 ms',
      '1.0 s',
      '1.2 s',
      '1 min 0 s',
      '3 min 5 s',
    ]);
  });
});

describe('progress', () => {
  it('appears after a second on a terminal, and leaves nothing behind', () => {
    const clock = new ManualClock();
    const terminal = createTestTerminal({ clock, isTerminal: true });
    const progress = startProgress(terminal, 'Working');
    clock.advance(999);
    assert.equal(terminal.errText(), '');
    clock.advance(1);
    assert.match(terminal.errText(), /Working \(1 s\)$/);
    progress.line('a line');
    assert.match(terminal.errText(), /\r\x1b\[2Ka line\n$/);
    clock.advance(500);
    progress.stop();
    assert.ok(terminal.errText().endsWith('\r\x1b[2K'));
    assert.equal(clock.pending, 0);
    assert.equal(terminal.outText(), '');
  });

  it('is silent off a terminal, but for lines that stay', () => {
    const clock = new ManualClock();
    const terminal = createTestTerminal({ clock });
    const progress = startProgress(terminal, 'Working');
    clock.advance(10_000);
    progress.line('a line');
    progress.stop();
    assert.equal(terminal.errText(), 'a line\n');
  });
});

describe('interrupts', () => {
  it('takes the echoes of one Ctrl-C for one, and leaves at once on a second', () => {
    const clock = new ManualClock();
    let exits = 0;
    const interrupts = createInterrupts(clock, () => {
      exits += 1;
    });
    interrupts.receive('SIGINT');
    interrupts.receive('SIGINT');
    clock.advance(200);
    interrupts.receive('SIGINT');
    assert.equal(interrupts.signal.aborted, true);
    assert.equal(exits, 0);
    clock.advance(300);
    interrupts.receive('SIGTERM');
    assert.equal(exits, 0);
    interrupts.receive('SIGINT');
    assert.equal(exits, 1);
  });
});

describe('text lines', () => {
  async function* chunks(...texts: (string | number[])[]): AsyncGenerator<Uint8Array> {
    for (const text of texts) yield Buffer.from(text as string);
  }

  it('splits lines over chunks, also inside a character', async () => {
    const lines = await Array.fromAsync(readLines(chunks('a\r\nb', [0xc3], [0xa4], '\n\nc')));
    assert.deepEqual(lines, ['a', 'bä', '', 'c']);
  });

  it('reads server-sent events with ids, comments and several data lines', async () => {
    const text = ': hello\n\nid: 7\ndata: one\ndata:two\n\nevent: end\ndata\n\ndata: cut off';
    const events = await Array.fromAsync(readServerSentEvents(chunks(text)));
    assert.deepEqual(events, [
      { id: '7', event: 'message', data: 'one\ntwo' },
      { id: '7', event: 'end', data: '' },
    ]);
  });
});

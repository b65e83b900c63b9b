import { useState } from 'react';
import type { LiveFunction, Trigger } from '../answers.ts';
import { useAll } from '../query-client.ts';
import { go, pathOf, triggerPath } from '../route.tsx';
import { SCREENS } from '../screens.ts';
import { applyTheme, otherTheme } from '../theme.ts';
import { Dialog } from './ask.tsx';

interface Entry {
  readonly text: string;
  readonly kind: string;
  run(): void;
}

/** Entries shown at once. */
const SHOWN_MAX = 40;
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Goes anywhere by a few letters; an id that is pasted opens what has it. */
export function Palette({ onClose }: { onClose(): void }) {
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const functions = useAll<'listFunctions'>('/functions', { once: true }).data?.items ?? [];
  const triggers = useAll<'listTriggers'>('/triggers', { once: true }).data?.items ?? [];
  const found = search(text.trim(), functions, triggers);
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  return (
    <Dialog label="Go to" className="palette" onClose={onClose}>
      <input
        aria-label="Go to"
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-entries"
        aria-activedescendant={`entry-${chosen}`}
        placeholder="Go to a screen, a function, or paste an id…"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') run(found[chosen]);
          const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
          if (step === 0) return;
          event.preventDefault();
          setChosen((chosen + step + found.length) % Math.max(1, found.length));
        }}
      />
      <div id="palette-entries" role="listbox" aria-label="Places" tabIndex={-1}>
        {found.map((entry, at) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field above, which keeps the focus
          <div
            key={`${entry.kind} ${entry.text}`}
            id={`entry-${at}`}
            role="option"
            tabIndex={-1}
            aria-selected={at === chosen}
            onClick={() => run(entry)}
          >
            <span>{entry.text}</span>
            <span className="soft">{entry.kind}</span>
          </div>
        ))}
      </div>
    </Dialog>
  );
}

function search(text: string, functions: readonly LiveFunction[], triggers: readonly Trigger[]): Entry[] {
  if (UUID.test(text)) {
    return [
      { text, kind: 'open the invocation', run: () => go(pathOf('invocations', text)) },
      { text, kind: 'open the execution', run: () => go(pathOf('executions', text)) },
    ];
  }
  const all: Entry[] = [
    ...SCREENS.map(({ title, name }) => ({ text: title, kind: 'screen', run: () => go(`/${name}`) })),
    ...functions.flatMap(({ app, name }) => [
      { text: `${app} ${name}`, kind: 'function', run: () => go(pathOf('functions', app, name)) },
      {
        text: `test ${app} ${name}`,
        kind: 'function',
        run: () => go(`${pathOf('functions', app, name)}?tab=test`),
      },
    ]),
    ...triggers.map(({ id }) => ({
      ...{ text: id.replace('/', ' '), kind: 'trigger', run: () => go(triggerPath(id)) },
    })),
    { text: 'Failed invocations', kind: 'search', run: () => go('/invocations?status=error') },
    { text: 'Dead letters', kind: 'screen', run: () => go('/events?tab=dead') },
    { text: 'Triggers', kind: 'screen', run: () => go('/events?tab=triggers') },
    { text: 'Deploy an app', kind: 'act', run: () => go('/deployments?deploy=now') },
    { text: 'Light or dark', kind: 'look', run: () => applyTheme(otherTheme()) },
  ];
  const words = text.toLowerCase().split(/\s+/);
  return all
    .filter((entry) => words.every((word) => entry.text.toLowerCase().includes(word)))
    .slice(0, SHOWN_MAX);
}

export function Help({ onClose }: { onClose(): void }) {
  return (
    <Dialog label="Keys" onClose={onClose}>
      <div className="pad">
        <h2>Keys</h2>
        <div className="keys">
          <kbd>/</kbd> <span>search on this screen</span>
          <span>
            <kbd>Ctrl</kbd> <kbd>K</kbd>
          </span>
          <span>go anywhere: screens, functions, ids</span>
          <kbd>?</kbd> <span>these keys</span>
          <kbd>Esc</kbd> <span>close what is open</span>
          {SCREENS.map(({ key, title, name }) => (
            <div key={name} style={{ display: 'contents' }}>
              <span>
                <kbd>g</kbd> <kbd>{key}</kbd>
              </span>
              <span>{title}</span>
            </div>
          ))}
        </div>
      </div>
      <footer>
        <button type="button" className="btn" onClick={onClose}>
          Close
        </button>
      </footer>
    </Dialog>
  );
}

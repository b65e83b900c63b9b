import { useEffect } from 'react';
import { go } from './route.tsx';
import { SCREENS } from './screens.ts';

/** Milliseconds between `g` and the letter that says where to. */
const JUMP_MS = 1_200;

/** The page's keys: `/` search, `g` and a letter, `?` help, Ctrl or Cmd with K the palette. Not while one types. */
export function useKeys(open: (what: 'palette' | 'help') => void): void {
  useEffect(() => {
    let jumpUntilMs = 0;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'k' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        open('palette');
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.composedPath()[0])) return;
      if (event.timeStamp < jumpUntilMs) {
        jumpUntilMs = 0;
        const screen = SCREENS.find(({ key }) => key === event.key);
        if (screen !== undefined) go(`/${screen.name}`);
        return;
      }
      if (event.key === 'g') jumpUntilMs = event.timeStamp + JUMP_MS;
      else if (event.key === '?') open('help');
      else if (event.key === '/') {
        event.preventDefault();
        const search = document.querySelector<HTMLInputElement>('main input[type="search"]');
        if (search === null) open('palette');
        else search.focus();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [open]);
}

/** Also within an editor, whose text is in a tree of its own. */
function isTyping(target: EventTarget | undefined): boolean {
  return (
    target instanceof HTMLElement &&
    (target.closest('input, textarea, select, dialog') !== null || target.isContentEditable)
  );
}

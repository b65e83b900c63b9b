import type { ReactNode } from 'react';

/** What is wider than a phone scrolls by itself, by keyboard as well, and the page does not. */
export function Scroll({ children }: { children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <div className="scroll" tabIndex={0}>
      {children}
    </div>
  );
}

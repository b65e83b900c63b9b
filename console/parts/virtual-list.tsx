import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useRef, useSyncExternalStore } from 'react';

/** Pixels of a row, also in the style sheet. */
const ROW_PX = 36;
const DENSE_PX = 29;
/** On a phone, where a row is a card of two lines. */
const CARD_PX = 58;
const DENSE_CARD_PX = 46;
const PHONE = '(max-width: 760px)';

export interface VirtualRow {
  readonly key: string | number;
  readonly to?: string;
  readonly isChosen?: boolean;
  readonly cells: readonly ReactNode[];
}

/** A list of any length: only the rows in sight are in the page. `onEnd` is called when its end comes near. */
export function VirtualList<Item>(props: {
  label: string;
  columns: string;
  heads: readonly ReactNode[];
  items: readonly Item[];
  row(item: Item): VirtualRow;
  dense?: boolean;
  onEnd?: (() => void) | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const isPhone = useMedia(PHONE);
  const [rowPx, densePx] = isPhone ? [CARD_PX, DENSE_CARD_PX] : [ROW_PX, DENSE_PX];
  const rows = useVirtualizer({
    count: props.items.length,
    getScrollElement: () => box.current,
    estimateSize: () => (props.dense ? densePx : rowPx),
    overscan: 12,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height of a row is what has changed
  useEffect(() => rows.measure(), [rowPx]);
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { onEnd } = props;
  useEffect(() => {
    if (last >= props.items.length - 10) onEnd?.();
  }, [last, props.items.length, onEnd]);
  return (
    <section
      className={`vlist ${props.dense ? 'dense' : ''}`}
      ref={box}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
      tabIndex={0}
      aria-label={props.label}
    >
      <div className={`vhead ${props.columns}`}>
        {props.heads.map((head, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a head is its column
          <span key={at}>{head}</span>
        ))}
      </div>
      <div className="inner" style={{ height: rows.getTotalSize() }}>
        {shown.map((place) => {
          const { key, to, isChosen = false, cells } = props.row(props.items[place.index]!);
          const look = {
            className: `vrow ${props.columns}`,
            style: { transform: `translateY(${place.start}px)` },
          };
          const content = cells.map((cell, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its column
            <span key={at}>{cell}</span>
          ));
          return to === undefined ? (
            <div key={key} {...look}>
              {content}
            </div>
          ) : (
            <a key={key} href={`#${to}`} {...look} aria-current={isChosen ? 'true' : undefined}>
              {content}
            </a>
          );
        })}
      </div>
    </section>
  );
}

/** Whether it fits, also when the window becomes another size. */
function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const media = matchMedia(query);
      media.addEventListener('change', listener);
      return () => media.removeEventListener('change', listener);
    },
    () => matchMedia(query).matches,
  );
}

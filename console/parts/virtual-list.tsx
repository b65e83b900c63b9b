import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useRef } from 'react';

/** Pixels of a row; it is the style sheet's. */
const ROW_PX = 38;

/** A list of any length: only the rows in sight are in the page. `onEnd` is called when its end comes near. */
export function VirtualList<Item>(props: {
  label: string;
  columns: string;
  heads: readonly string[];
  items: readonly Item[];
  row(item: Item): { key: string | number; to?: string; cells: readonly ReactNode[] };
  onEnd?: (() => void) | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: props.items.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { onEnd } = props;
  useEffect(() => {
    if (last >= props.items.length - 10) onEnd?.();
  }, [last, props.items.length, onEnd]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="vlist" ref={box} tabIndex={0} aria-label={props.label}>
      <div className={`vhead ${props.columns}`}>
        {props.heads.map((head) => (
          <span key={head}>{head}</span>
        ))}
      </div>
      <div className="inner" style={{ height: rows.getTotalSize() }}>
        {shown.map((place) => {
          const { key, to, cells } = props.row(props.items[place.index]!);
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
            <a key={key} href={`#${to}`} {...look}>
              {content}
            </a>
          );
        })}
      </div>
    </section>
  );
}

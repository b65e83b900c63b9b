import { compact } from '../show.ts';
import { Link, pathOf, useRoute } from '../route.tsx';

/** Parts of a screen, each with an address of its own. */
export function Tabs({
  tabs,
  present,
}: {
  tabs: readonly (readonly [name: string, text: string, count?: number])[];
  present: string;
}) {
  const { parts } = useRoute();
  return (
    <nav className="tabs" aria-label="Parts of this screen">
      {tabs.map(([name, text, count]) => (
        <Link
          key={name}
          to={`${pathOf(...parts)}${name === '' ? '' : `?tab=${name}`}`}
          aria-current={name === present ? 'page' : undefined}
        >
          {text}
          {count === undefined ? null : ' '}
          {count === undefined ? null : <span className="tab-count">{compact(count)}</span>}
        </Link>
      ))}
    </nav>
  );
}

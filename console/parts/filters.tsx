import type { LiveFunction } from '../answers.ts';
import { useAll } from '../query-client.ts';
import { setQuery, useRoute } from '../route.tsx';

/** A choice that is part of the address: one of these values, or any. */
export function Choice(props: {
  label: string;
  name: string;
  any: string;
  values: readonly (string | readonly [value: string, text: string])[];
}) {
  const { label, name, any, values } = props;
  const { query } = useRoute();
  return (
    <select
      className="field"
      aria-label={label}
      value={query[name] ?? ''}
      onChange={(event) => setQuery({ [name]: event.target.value })}
    >
      <option value="">{any}</option>
      {values.map((each) => {
        const [value, text] = typeof each === 'string' ? [each, each] : each;
        return (
          <option key={value} value={value}>
            {text}
          </option>
        );
      })}
    </select>
  );
}

/** One of the live functions (or workflows), as `app/name`. `name`: what the address calls it beside `app`. */
export function FunctionChoice(props: {
  label: string;
  name: 'function' | 'workflow';
  any: string;
  fits(view: LiveFunction): boolean;
}) {
  const { query } = useRoute();
  const functions = useAll<'listFunctions'>('/functions').data?.items ?? [];
  const names = new Set(functions.filter(props.fits).map(({ app, name }) => `${app}/${name}`));
  const own = query[props.name];
  const chosen = query.app !== undefined && own !== undefined ? `${query.app}/${own}` : '';
  // One that is not live any more can still be looked for.
  if (chosen !== '') names.add(chosen);
  return (
    <select
      className="field"
      aria-label={props.label}
      value={chosen}
      onChange={(event) => {
        const [app, name] = event.target.value.split('/');
        setQuery({ app, [props.name]: name });
      }}
    >
      <option value="">{props.any}</option>
      {[...names].sort().map((each) => (
        <option key={each}>{each}</option>
      ))}
    </select>
  );
}

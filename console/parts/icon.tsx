/** The console's few icons, drawn here: 24 by 24, in the colour of the text. */

const PATHS = {
  overview: 'M4 13h6V4H4zm0 7h6v-4H4zm10 0h6v-9h-6zm0-16v4h6V4z',
  functions: 'M9 4c-3 0-2 8-5 8 3 0 2 8 5 8M15 4c3 0 2 8 5 8-3 0-2 8-5 8',
  invocations: 'M4 6h10M4 12h16M4 18h7',
  events: 'M13 3 5 14h6l-1 7 8-11h-6z',
  executions:
    'M6 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm12 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4zM6 16a2 2 0 1 0 0 4 2 2 0 0 0 0-4zm0-8v8m0-6c0 3 4 2 10 2',
  deployments: 'M12 3 4 7.5v9L12 21l8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9',
  costs:
    'M12 3v18M16.5 7.5C16 6 14 5.500 12 5.500c-2.500 0-4.500 1-4.500 3.200 0 4.600 9.500 2 9.500 6.600 0 2.200-2.300 3.200-5 3.200-2.500 0-4.500-1-5-3',
  settings: 'M4 7h10m4 0h2M4 17h2m4 0h10M16 5v4M8 15v4',
  find: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zm5 12 5 5',
  menu: 'M4 6h16M4 12h16M4 18h16',
  theme: 'M12 3a9 9 0 1 0 9 9 7 7 0 0 1-9-9z',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

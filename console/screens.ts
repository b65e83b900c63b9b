import { type ComponentType, lazy } from 'react';
import type { IconName } from './parts/icon.tsx';

/** The places of the console: its menu, its jumps (`g`, then the key), and what is loaded when one is opened. */

export interface Screen {
  readonly name: IconName & string;
  readonly title: string;
  readonly key: string;
  readonly show: ComponentType;
}

export const SCREENS: readonly Screen[] = [
  {
    name: 'overview',
    title: 'Overview',
    key: 'o',
    show: lazy(async () => ({ default: (await import('./screens/overview.tsx')).Overview })),
  },
  {
    name: 'functions',
    title: 'Functions',
    key: 'f',
    show: lazy(async () => ({ default: (await import('./screens/functions.tsx')).Functions })),
  },
  {
    name: 'invocations',
    title: 'Invocations',
    key: 'i',
    show: lazy(async () => ({ default: (await import('./screens/invocations.tsx')).Invocations })),
  },
  {
    name: 'events',
    title: 'Events',
    key: 'e',
    show: lazy(async () => ({ default: (await import('./screens/events.tsx')).Events })),
  },
  {
    name: 'executions',
    title: 'Executions',
    key: 'x',
    show: lazy(async () => ({ default: (await import('./screens/executions.tsx')).Executions })),
  },
  {
    name: 'deployments',
    title: 'Deployments',
    key: 'd',
    show: lazy(async () => ({ default: (await import('./screens/deployments.tsx')).Deployments })),
  },
  {
    name: 'costs',
    title: 'Costs',
    key: 'c',
    show: lazy(async () => ({ default: (await import('./screens/costs.tsx')).Costs })),
  },
  {
    name: 'settings',
    title: 'Settings',
    key: 's',
    show: lazy(async () => ({ default: (await import('./screens/settings.tsx')).Settings })),
  },
];

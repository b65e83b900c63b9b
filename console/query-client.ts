import { QueryClient, useQuery } from '@tanstack/react-query';
import type { Answers } from './answers.ts';
import { type ApiError, get } from './api.ts';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: false, refetchOnWindowFocus: true, networkMode: 'always', staleTime: 500 },
    mutations: { retry: false, networkMode: 'always' },
  },
});

export interface LiveOptions {
  /** Asked for again this often, in milliseconds: what changes without a notice, such as time. */
  readonly everyMs?: number;
  /** What never changes is read once, and again with each other `version`. */
  readonly once?: boolean;
  readonly version?: number;
}

/** Reads what an operation of the API answers at its path, and keeps it current: it is read again when the server says that it changed (`live.ts`). */
export function useLive<Operation extends keyof Answers>(
  path: string | undefined,
  { everyMs, once = false, version }: LiveOptions = {},
) {
  return useQuery<Answers[Operation], ApiError>({
    queryKey: version === undefined ? [path] : [path, version],
    queryFn: ({ signal }) => get<Operation>(path!, signal),
    enabled: path !== undefined,
    refetchInterval: everyMs ?? false,
    meta: { once },
    placeholderData: (before) => before,
  });
}

/** After a change: what is shown is asked for anew. */
export const refreshAll = (): Promise<void> => queryClient.invalidateQueries();

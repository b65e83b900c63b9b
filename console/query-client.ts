import { QueryClient, useQuery } from '@tanstack/react-query';
import { type ApiError, get } from './api.ts';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: false, refetchOnWindowFocus: true, networkMode: 'always', staleTime: 500 },
    mutations: { retry: false, networkMode: 'always' },
  },
});

/** How often what is on the screen is asked for again, in milliseconds. Hidden pages do not ask. */
const LIVE_MS = 1_500;

/** Reads a path of the API and keeps it current. `everyMs` 0: once, and again with each other `version`. */
export function useLive<Answer>(path: string | undefined, everyMs: number = LIVE_MS, version?: number) {
  return useQuery<Answer, ApiError>({
    queryKey: version === undefined ? [path] : [path, version],
    queryFn: ({ signal }) => get<Answer>(path!, signal),
    enabled: path !== undefined,
    refetchInterval: everyMs === 0 ? false : everyMs,
    placeholderData: (before) => before,
  });
}

/** After a change: what is shown is asked for anew. */
export const refreshAll = (): Promise<void> => queryClient.invalidateQueries();

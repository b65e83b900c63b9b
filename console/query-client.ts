import { QueryClient, useQuery } from '@tanstack/react-query';
import type { Answers } from './answers.ts';
import { type ApiError, get, getAll, type ListOperation } from './api.ts';

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
export const useLive = <Operation extends keyof Answers>(path: string | undefined, options?: LiveOptions) =>
  useRead(path, get<Operation>, options);

/** All of a list of what there is now, kept current like the rest. */
export const useAll = <Operation extends ListOperation>(path: string, options?: LiveOptions) =>
  useRead(path, getAll<Operation>, options);

function useRead<Answer>(
  path: string | undefined,
  read: (path: string, signal: AbortSignal) => Promise<Answer>,
  { everyMs, once = false, version }: LiveOptions = {},
) {
  return useQuery<Answer, ApiError>({
    queryKey: version === undefined ? [path] : [path, version],
    queryFn: ({ signal }) => read(path!, signal),
    enabled: path !== undefined,
    refetchInterval: everyMs ?? false,
    meta: { once },
    placeholderData: (before) => before,
  });
}

/** After a change: what is shown is asked for anew. */
export const refreshAll = (): Promise<void> => queryClient.invalidateQueries();

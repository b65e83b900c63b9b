import { invoke } from 'lambent';

const TEXT = 'the quick brown fox jumps over the lazy dog';

export default {
  async fetch(): Promise<Response> {
    const words = (await invoke('words', { text: TEXT })) as string[];
    return Response.json({ words, letters: await invoke('count', { words }) });
  },
};

import dagre from '@dagrejs/dagre';

export interface GraphNode {
  readonly id: string;
  readonly text: string;
  readonly under?: string | undefined;
  readonly note?: string | undefined;
  readonly tone?: string;
  /** How it stands, as a sign in its corner and in a word, for who does not tell colours apart. */
  readonly mark?: { readonly sign: string; readonly text: string } | undefined;
  /** Something is under way here: it is seen to move. */
  readonly isBusy?: boolean;
  /** A card of a map: all are as wide. Sources stand first. */
  readonly card?: 'source' | 'part';
  /** The node whose inner part it is: both stand within one frame. */
  readonly within?: string | undefined;
  /** Where a click leads. */
  readonly to?: string;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly text?: string;
  readonly look?: '' | 'hot' | 'failing' | 'taken';
  /** Calls a minute: something moves along the edge. */
  readonly perMinute?: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** By its middle. */
export interface Place extends Point {
  readonly width: number;
  readonly height: number;
}

export interface LaidOut {
  readonly nodes: ReadonlyMap<string, Place>;
  /** Frames around what belongs together, the outermost first. */
  readonly regions: readonly (Place & { readonly id: string; readonly text: string })[];
  /** Of an edge, by `FROM\nTO`. */
  readonly points: ReadonlyMap<string, readonly Point[]>;
  readonly width: number;
  readonly height: number;
  /** Where the first node is. */
  readonly first: Point | undefined;
}

const CHAR_PX = 7.2;
const CHARS_MAX = 32;
const CHARS_MIN = 9;
const CARD_PX = 216;
const LINE_PX = 17;
/** What all sources hang on while they are laid out, so that they stand below one another. */
const ROOT = '\n';
/** The frame of a node that holds others. */
const frameOf = (id: string): string => `${id}\nframe`;

/** Places nodes in layers, edges around them, and frames around what belongs together. */
export function layOut(
  direction: 'LR' | 'TB',
  nodes: readonly GraphNode[],
  edges: readonly GraphEdge[],
): LaidOut {
  const graph = new dagre.graphlib.Graph({ compound: true });
  const [nodesep, ranksep] = direction === 'LR' ? [12, 104] : [18, 30];
  graph.setGraph({ rankdir: direction, nodesep, ranksep, marginx: 4, marginy: 4 });
  graph.setDefaultEdgeLabel(() => ({}));
  const reached = new Set(edges.map(({ to }) => to));
  const hasSources = nodes.some(({ card }) => card === 'source');
  // A card that nothing leads to stands where the sources do.
  const sources = hasSources
    ? nodes.filter(({ id, card }) => card === 'source' || (card === 'part' && !reached.has(id)))
    : [];
  if (sources.length > 0) graph.setNode(ROOT, { width: 0, height: 0 });
  for (const { id } of sources) graph.setEdge(ROOT, id, { weight: 50, minlen: 1 });
  for (const node of nodes) graph.setNode(node.id, sizeOf(node));
  const holders = new Set(nodes.flatMap(({ within }) => (within === undefined ? [] : [within])));
  for (const { id } of nodes) if (holders.has(id)) graph.setNode(frameOf(id), {});
  for (const { id, within } of nodes) {
    const outer = within !== undefined && holders.has(within) ? frameOf(within) : undefined;
    // What holds others stands within its own frame, and that one within the next.
    if (holders.has(id)) graph.setParent(id, frameOf(id));
    if (outer !== undefined) graph.setParent(holders.has(id) ? frameOf(id) : id, outer);
  }
  const withinOf = new Map(nodes.map(({ id, within }) => [id, within]));
  for (const { from, to, text } of edges)
    graph.setEdge(from, to, {
      // What is within another begins right below it, beside the others that do: branches begin on one line.
      weight: withinOf.get(to) === from ? 8 : 1,
      // A text has a place of its own on its edge, so that nothing else is put there.
      ...(text === undefined
        ? {}
        : { width: Math.min(text.length, 28) * CHAR_PX, height: 16, labelpos: 'c' }),
    });
  dagre.layout(graph);
  const siblings = [...sources.map(({ id }) => ({ from: ROOT, to: id })), ...edges];
  return read(graph, nodes, edges, {
    holders,
    flips: isReversed(graph, siblings) ? crossOf(direction) : undefined,
  });
}

/** The axis that layers lie along. */
const crossOf = (direction: 'LR' | 'TB'): 'x' | 'y' => (direction === 'LR' ? 'y' : 'x');

/** Whether more of what follows the same stands against the order of its edges than with it: dagre knows no order. */
function isReversed(
  graph: InstanceType<typeof dagre.graphlib.Graph>,
  edges: readonly { readonly from: string; readonly to: string }[],
): boolean {
  const axis = crossOf(graph.graph().rankdir === 'LR' ? 'LR' : 'TB');
  const latest = new Map<string, number>();
  let ordered = 0;
  for (const { from, to } of edges) {
    const at = (graph.node(to) as Place)[axis];
    ordered += Math.sign(at - (latest.get(from) ?? at));
    latest.set(from, at);
  }
  return ordered < 0;
}

function read(
  graph: InstanceType<typeof dagre.graphlib.Graph>,
  nodes: readonly GraphNode[],
  edges: readonly GraphEdge[],
  { holders, flips }: { readonly holders: ReadonlySet<string>; readonly flips: 'x' | 'y' | undefined },
): LaidOut {
  const framed = nodes.filter(({ id }) => holders.has(id));
  const places = [...nodes.map(({ id }) => id), ...framed.map(({ id }) => frameOf(id))].map(
    (id) => [id, graph.node(id) as Place] as const,
  );
  const points = new Map(
    edges.map(({ from, to }) => [`${from}\n${to}`, graph.edge(from, to).points as readonly Point[]]),
  );
  const flipped = <At extends Point>(at: At): At =>
    flips === undefined ? at : { ...at, [flips]: -at[flips] };
  const turned = places.map(([, place]) => flipped(place));
  // The root and its edges take room at the left.
  const left = Math.min(...turned.map(({ x, width }) => x - width / 2), Number.POSITIVE_INFINITY);
  const top = Math.min(...turned.map(({ y, height }) => y - height / 2), Number.POSITIVE_INFINITY);
  const moved = <At extends Point>(at: At): At => {
    const { x, y } = flipped(at);
    return { ...at, x: x - left, y: y - top };
  };
  const all = new Map(places.map(([id, place]) => [id, moved(place)]));
  const ends = [...all.values()];
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const depthOf = (id: string | undefined): number =>
    id === undefined ? 0 : 1 + depthOf(byId.get(id)?.within);
  return {
    nodes: all,
    regions: framed
      .toSorted((a, b) => depthOf(a.within) - depthOf(b.within))
      .map(({ id, text }) => ({ ...all.get(frameOf(id))!, id: frameOf(id), text })),
    points: new Map([...points].map(([key, list]) => [key, list.map(moved)])),
    width: Math.max(0, ...ends.map(({ x, width }) => x + width / 2)),
    height: Math.max(0, ...ends.map(({ y, height }) => y + height / 2)),
    first: nodes[0] === undefined ? undefined : all.get(nodes[0].id),
  };
}

function sizeOf({ text, under, note, card, mark }: GraphNode): { width: number; height: number } {
  const lines = 1 + (under === undefined ? 0 : 1) + (note === undefined ? 0 : 1);
  const height = 17 + lines * LINE_PX;
  if (card !== undefined) return { width: CARD_PX, height };
  const chars = Math.max(text.length, (under?.length ?? 0) * 0.9, (note?.length ?? 0) * 0.9, CHARS_MIN);
  return { width: Math.ceil(Math.min(chars, CHARS_MAX) * CHAR_PX + (mark === undefined ? 26 : 46)), height };
}

import {
  Controls,
  type Edge,
  type EdgeProps,
  Handle,
  MiniMap,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  type ReactFlowInstance,
} from '@xyflow/react';
import { type CSSProperties, useEffect, useMemo, useRef } from 'react';
import { type GraphEdge, type GraphNode, type LaidOut, layOut, type Point } from '../lay-out-graph.ts';

/*
 * A graph to pan and to zoom, laid out in layers. Its nodes are links: Tab goes from one to the next and brings each
 * into sight, Enter opens it.
 */

/** Nodes from which on an overview of the whole graph stands in its corner. */
const MINIMAP_NODES = 25;
const ZOOM_MIN = 0.15;
/** Smaller than this a graph is not shown by itself: its text could not be read. */
const READABLE_ZOOM = 0.55;
const HEIGHT_PX_MAX = 640;
const PAD_PX = 16;

type BoxNode = Node<{ readonly node: GraphNode; readonly direction: 'LR' | 'TB' }, 'box'>;
type RegionNode = Node<{ readonly text: string }, 'region'>;
type WayEdge = Edge<{ readonly edge: GraphEdge; readonly points: readonly Point[] }, 'way'>;
type Flow = ReactFlowInstance<BoxNode | RegionNode, WayEdge>;

interface GraphProps {
  readonly label: string;
  readonly direction: 'LR' | 'TB';
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** The node that is brought into sight when it becomes another one, until somebody moves the graph. */
  readonly follow?: string | undefined;
}

export function Graph({ label, direction, nodes, edges, follow }: GraphProps) {
  const layout = useLayout(direction, nodes, edges);
  const flow = useRef<Flow>(null);
  const box = useRef<HTMLElement>(null);
  const isMoved = useRef(false);
  const place = follow === undefined ? undefined : layout.nodes.get(follow);
  const [x, y] = [place?.x, place?.y];
  useEffect(() => {
    if (x !== undefined && y !== undefined && !isMoved.current)
      bringIntoSight(flow.current, box.current, { x, y });
  }, [x, y]);
  // What comes later has its place in sight too, until somebody moves the graph.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the size says whether there is something to fit anew
  useEffect(() => {
    if (flow.current !== null && follow === undefined && !isMoved.current)
      begin(flow.current, box.current, layout, undefined);
  }, [layout.width, layout.height]);
  const shown = useMemo(() => nodesOf(layout, nodes, direction), [layout, nodes, direction]);
  const ways = useMemo(() => edgesOf(layout, edges), [layout, edges]);
  const height = Math.min(HEIGHT_PX_MAX, Math.max(160, layout.height + 2 * PAD_PX));
  return (
    <section
      className="graph"
      ref={box}
      aria-label={label}
      style={{ height }}
      onFocus={({ target }) => {
        const at = layout.nodes.get(target.closest('.react-flow__node')?.getAttribute('data-id') ?? '');
        if (at !== undefined && target.matches(':focus-visible'))
          bringIntoSight(flow.current, box.current, at);
      }}
    >
      <ReactFlow<BoxNode | RegionNode, WayEdge>
        nodes={shown}
        edges={ways}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        minZoom={ZOOM_MIN}
        maxZoom={2}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        zoomOnDoubleClick={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
        onInit={(made) => {
          flow.current = made;
          begin(made, box.current, layout, place);
        }}
        onMoveStart={(event) => {
          if (event !== null) isMoved.current = true;
        }}
      >
        <Controls showInteractive={false} position="bottom-right" orientation="horizontal" />
        {nodes.length < MINIMAP_NODES ? null : <WholeGraph label={label} />}
      </ReactFlow>
    </section>
  );
}

/** All of a large graph, in its corner. */
const WholeGraph = ({ label }: { readonly label: string }) => (
  <MiniMap
    pannable
    position="top-right"
    ariaLabel={`${label}, all of it`}
    nodeClassName={(node) =>
      node.type === 'box' ? `mini ${(node as BoxNode).data.node.tone ?? ''}` : 'mini region'
    }
  />
);

/** A layout changes with the shape of the graph alone, however often it is coloured anew. */
function useLayout(
  direction: 'LR' | 'TB',
  nodes: readonly GraphNode[],
  edges: readonly GraphEdge[],
): LaidOut {
  const shape = JSON.stringify([
    direction,
    nodes.map(({ id, text, under, note, card, mark, within }) => [
      id,
      text,
      under,
      note !== undefined,
      card,
      mark !== undefined,
      within,
    ]),
    edges.map(({ from, to, text }) => [from, to, text]),
  ]);
  const latest = useRef<{ shape: string; layout: LaidOut }>(null);
  if (latest.current?.shape !== shape) latest.current = { shape, layout: layOut(direction, nodes, edges) };
  return latest.current.layout;
}

function nodesOf(
  layout: LaidOut,
  nodes: readonly GraphNode[],
  direction: 'LR' | 'TB',
): (BoxNode | RegionNode)[] {
  const regions = layout.regions.map(
    ({ id, text, x, y, width, height }): RegionNode => ({
      ...{ id, type: 'region', data: { text }, position: { x: x - width / 2, y: y - height / 2 } },
      ...{ width, height, zIndex: -1 },
    }),
  );
  const boxes = nodes.map((node): BoxNode => {
    const { x, y, width, height } = layout.nodes.get(node.id)!;
    return {
      ...{ id: node.id, type: 'box', data: { node, direction } },
      ...{ position: { x: x - width / 2, y: y - height / 2 }, width, height },
    };
  });
  return [...regions, ...boxes];
}

const edgesOf = (layout: LaidOut, edges: readonly GraphEdge[]): WayEdge[] =>
  edges.map((edge) => ({
    ...{ id: `${edge.from}\n${edge.to}`, type: 'way', source: edge.from, target: edge.to },
    data: { edge, points: layout.points.get(`${edge.from}\n${edge.to}`) ?? [] },
  }));

/** All of it where that can be read; else its beginning, or what is to be followed. */
function begin(flow: Flow, box: HTMLElement | null, layout: LaidOut, follow: Point | undefined): void {
  if (box === null) return;
  const { clientWidth: width, clientHeight: height } = box;
  const whole = Math.min(1, (width - 2 * PAD_PX) / layout.width, (height - 2 * PAD_PX) / layout.height);
  const broad = Math.min(1, (width - 2 * PAD_PX) / layout.width);
  const zoom = whole < READABLE_ZOOM ? Math.max(READABLE_ZOOM, broad) : whole;
  const start = (size: number, room: number): number =>
    size * zoom <= room - PAD_PX ? (room - size * zoom) / 2 : PAD_PX;
  // Of a tall graph its first node stands in the middle.
  const first = layout.width * zoom > width ? layout.first : undefined;
  const x = first === undefined ? start(layout.width, width) : Math.min(PAD_PX, width / 2 - first.x * zoom);
  void flow.setViewport({ x, y: start(layout.height, height), zoom });
  if (follow !== undefined && whole < zoom) bringIntoSight(flow, box, follow);
}

function bringIntoSight(flow: Flow | null, box: HTMLElement | null, { x, y }: Point): void {
  if (flow === null || box === null) return;
  const { x: left, y: top, zoom } = flow.getViewport();
  const [onX, onY] = [x * zoom + left, y * zoom + top];
  const isInSight = onX > 60 && onX < box.clientWidth - 60 && onY > 40 && onY < box.clientHeight - 40;
  if (!isInSight) void flow.setCenter(x, y, { zoom, duration: isCalm() ? 0 : 300 });
}

const isCalm = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

function Box({ data: { node, direction }, width = 0, height = 0 }: NodeProps<BoxNode>) {
  const { text, under, note, tone = '', mark, card, to, isBusy = false } = node;
  const inner = (
    <>
      {mark === undefined ? null : (
        <span className="graph-mark">
          <span aria-hidden="true">{mark.sign}</span>
          <span className="sr">{mark.text} </span>
        </span>
      )}
      <span className="graph-name">{text}</span>
      {under === undefined ? null : <span className="graph-under">{under}</span>}
      {note === undefined ? null : <span className="graph-note">{note}</span>}
    </>
  );
  const look = `graph-box ${card ?? ''} ${tone} ${isBusy ? 'busy' : ''}`;
  const shared = {
    className: look,
    title: [text, mark?.text, under, note].filter(Boolean).join('  '),
    style: { width, height },
  };
  return (
    <>
      <Handle
        type="target"
        position={direction === 'LR' ? Position.Left : Position.Top}
        isConnectable={false}
      />
      {to === undefined ? (
        <div {...shared}>{inner}</div>
      ) : (
        <a {...shared} href={`#${to}`} draggable={false}>
          {inner}
        </a>
      )}
      <Handle
        type="source"
        position={direction === 'LR' ? Position.Right : Position.Bottom}
        isConnectable={false}
      />
    </>
  );
}

function Region({ data: { text }, width, height }: NodeProps<RegionNode>) {
  return (
    <div
      className="graph-region"
      role="presentation"
      title={text}
      style={{ width, height } as CSSProperties}
    />
  );
}

function Way({ id, data }: EdgeProps<WayEdge>) {
  if (data === undefined) return null;
  const { edge, points } = data;
  const { perMinute = 0, look = '', text } = edge;
  const path = curve(points);
  const middle = onCurve(points, Math.floor(points.length / 2));
  const end = points.at(-1);
  const before = points.at(-2);
  return (
    <g data-way={id.replace('\n', ' > ')}>
      <path className={`edge ${look}`} d={path} />
      {end === undefined || before === undefined ? null : (
        <path
          className={`arrow ${look}`}
          d="M0 0 L-8 -4.5 L-8 4.5 Z"
          transform={`translate(${end.x} ${end.y}) rotate(${(Math.atan2(end.y - before.y, end.x - before.x) * 180) / Math.PI})`}
        />
      )}
      {perMinute === 0 ? null : (
        <path
          className={`flow ${look}`}
          d={path}
          style={{ '--period': periodOf(perMinute) } as CSSProperties}
        />
      )}
      {text === undefined || middle === undefined ? null : (
        <text
          className={`${edge.perMinute === undefined ? 'small' : `rate ${look}`} halo`}
          x={middle.x}
          y={middle.y + 4}
          textAnchor="middle"
        >
          {text}
        </text>
      )}
    </g>
  );
}

const NODE_TYPES = { box: Box, region: Region };
const EDGE_TYPES = { way: Way };

/** How long something takes for the way from one dot to the next: a call a minute creeps, a thousand rush. */
const periodOf = (perMinute: number): string =>
  `${(2.4 / (1 + Math.log10(Math.max(1, perMinute)) * 1.6)).toFixed(2)}s`;

/** Where the curve comes nearest to one of its points, which it is bent by and does not touch. */
function onCurve(points: readonly Point[], at: number): Point | undefined {
  const [before, here, after] = [points[at - 1], points[at], points[at + 1]];
  if (before === undefined || here === undefined || after === undefined) return here;
  const share = (isEnd: boolean): number => (isEnd ? 1 : 0.5);
  const [first, last] = [share(at === 1), share(at + 2 === points.length)];
  const along = (axis: 'x' | 'y'): number => {
    const from = here[axis] + (before[axis] - here[axis]) * first;
    const to = here[axis] + (after[axis] - here[axis]) * last;
    return (from + 2 * here[axis] + to) / 4;
  };
  return { x: along('x'), y: along('y') };
}

/** Through the points, bent where they bend. */
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${first.x} ${first.y}`;
  for (let at = 0; at < rest.length - 1; at += 1) {
    const [here, next] = [rest[at]!, rest[at + 1]!];
    const isLast = at === rest.length - 2;
    path += ` Q${here.x} ${here.y} ${isLast ? next.x : (here.x + next.x) / 2} ${isLast ? next.y : (here.y + next.y) / 2}`;
  }
  return rest.length === 1 ? `${path} L${rest[0]!.x} ${rest[0]!.y}` : path;
}

import dagre from '@dagrejs/dagre';

/** A graph as plain SVG, laid out in layers. */

export interface GraphNode {
  readonly id: string;
  readonly text: string;
  readonly under?: string;
  readonly tone?: string;
  /** A card of a map: all are as wide, text at the left, the tone in a dot. Sources stand first. */
  readonly card?: 'source' | 'part';
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

const CHAR_PX = 7;
const TEXT_MAX = 34;
const CARD_PX = 208;
/** Characters of a card's lines. */
const CARD_TEXT_MAX = 25;
/** What all sources hang on while they are laid out, so that they stand below one another. */
const ROOT = '\n';

const short = (text: string, max = TEXT_MAX): string =>
  text.length > max ? `${text.slice(0, max - 1)}…` : text;

interface GraphProps {
  readonly label: string;
  readonly direction: 'LR' | 'TB';
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export function Graph(props: GraphProps) {
  const layout = layOut(props);
  const { width = 0, height = 0 } = layout.graph();
  // The root and its edges take room at the left.
  const left = Math.max(
    0,
    Math.min(...props.nodes.map(({ id }) => layout.node(id).x - layout.node(id).width / 2)) - 8,
  );
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="graph" tabIndex={0} aria-label={props.label}>
      <svg
        width={Math.ceil(width - left)}
        height={Math.ceil(height)}
        viewBox={`${left} 0 ${Math.ceil(width - left)} ${Math.ceil(height)}`}
      >
        <title>{props.label}</title>
        <defs>
          <marker
            id="arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="7"
            markerHeight="7"
            orient="auto"
          >
            <path className="arrow" d="M0 0 8 4 0 8z" />
          </marker>
        </defs>
        {props.edges.map((edge) => (
          <Edge key={`${edge.from} ${edge.to}`} edge={edge} points={layout.edge(edge.from, edge.to).points} />
        ))}
        {props.nodes.map((node) => (
          <Box key={node.id} node={node} place={layout.node(node.id)} />
        ))}
        {props.edges.map((edge) => (
          <EdgeText
            key={`${edge.from} ${edge.to}`}
            edge={edge}
            points={layout.edge(edge.from, edge.to).points}
          />
        ))}
      </svg>
    </section>
  );
}

function layOut({ direction, nodes, edges }: GraphProps) {
  const layout = new dagre.graphlib.Graph();
  const ranksep = direction === 'LR' ? 110 : 34;
  layout.setGraph({ rankdir: direction, nodesep: 14, ranksep, marginx: 8, marginy: 8 });
  layout.setDefaultEdgeLabel(() => ({}));
  const sources = nodes.filter(({ card }) => card === 'source');
  if (sources.length > 0) layout.setNode(ROOT, { width: 0, height: 0 });
  for (const { id } of sources) layout.setEdge(ROOT, id, { weight: 50, minlen: 1 });
  for (const { id, text, under, card } of nodes) {
    if (card !== undefined) {
      layout.setNode(id, { width: CARD_PX, height: under === undefined ? 36 : 48 });
      continue;
    }
    const chars = Math.max(short(text).length, short(under ?? '').length, 8);
    layout.setNode(id, { width: chars * CHAR_PX + 28, height: under === undefined ? 34 : 46 });
  }
  // A text has a place of its own on its edge, so that nothing else is put there.
  for (const { from, to, text } of edges)
    layout.setEdge(
      from,
      to,
      text === undefined ? {} : { width: text.length * CHAR_PX, height: 16, labelpos: 'c' },
    );
  dagre.layout(layout);
  return layout;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function Edge({ edge, points }: { edge: GraphEdge; points: readonly Point[] }) {
  const path = curve(points);
  const { perMinute = 0, look = '' } = edge;
  return (
    <>
      <path className={`edge ${look}`} d={path} markerEnd="url(#arrow)" />
      {perMinute === 0 ? null : (
        <path className={`flow ${look}`} d={path} style={{ '--period': periodOf(perMinute) } as object} />
      )}
    </>
  );
}

/** How long something takes for the way from one dot to the next: a call a minute creeps, a thousand rush. */
const periodOf = (perMinute: number): string =>
  `${(2.4 / (1 + Math.log10(Math.max(1, perMinute)) * 1.6)).toFixed(2)}s`;

/** Above everything else: an edge may pass close to a box that it does not lead to. */
function EdgeText({ edge, points }: { edge: GraphEdge; points: readonly Point[] }) {
  const middle = points[Math.floor(points.length / 2)];
  if (edge.text === undefined || middle === undefined) return null;
  return (
    <text
      className={`${edge.perMinute === undefined ? 'small' : `rate ${edge.look ?? ''}`} halo`}
      x={middle.x}
      y={middle.y + 4}
      textAnchor="middle"
    >
      {edge.text}
    </text>
  );
}

function Box({ node, place }: { node: GraphNode; place: Point & { width: number; height: number } }) {
  const { width, height } = place;
  if (node.card !== undefined) return <Card node={node} place={place} />;
  const shape = (
    <g transform={`translate(${place.x - width / 2} ${place.y - height / 2})`}>
      <title>{`${node.text}  ${node.under ?? ''}`}</title>
      <rect className={`box ${node.tone ?? ''}`} width={width} height={height} rx="8" />
      <text x={width / 2} y={node.under === undefined ? height / 2 + 4.5 : 19} textAnchor="middle">
        {short(node.text)}
      </text>
      {node.under === undefined ? null : (
        <text className="small" x={width / 2} y="35" textAnchor="middle">
          {short(node.under)}
        </text>
      )}
    </g>
  );
  return node.to === undefined ? shape : <a href={`#${node.to}`}>{shape}</a>;
}

function Card({ node, place }: { node: GraphNode; place: Point & { width: number; height: number } }) {
  const { width, height } = place;
  const { text, under, tone = '', card } = node;
  const shape = (
    <g transform={`translate(${place.x - width / 2} ${place.y - height / 2})`}>
      <title>{`${text}  ${under ?? ''}`}</title>
      <rect className={`card ${card} ${tone}`} width={width} height={height} rx="9" />
      <circle className={`card-dot ${tone}`} cx="16" cy={under === undefined ? height / 2 : 18} r="4" />
      <text className="card-name" x="28" y={under === undefined ? height / 2 + 4.5 : 22}>
        {short(text, CARD_TEXT_MAX)}
      </text>
      {under === undefined ? null : (
        <text className="small" x="28" y="38">
          {short(under, CARD_TEXT_MAX + 6)}
        </text>
      )}
    </g>
  );
  return node.to === undefined ? shape : <a href={`#${node.to}`}>{shape}</a>;
}

/** Through the points, bent where they bend. */
function curve(points: readonly { x: number; y: number }[]): string {
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

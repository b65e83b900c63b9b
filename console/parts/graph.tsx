import dagre from '@dagrejs/dagre';

/** A graph as plain SVG, laid out in layers. */

export interface GraphNode {
  readonly id: string;
  readonly text: string;
  readonly under?: string;
  readonly tone?: string;
  /** Where a click leads. */
  readonly to?: string;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly text?: string;
  readonly look?: '' | 'hot' | 'failing' | 'taken';
}

const CHAR_PX = 7.3;
const TEXT_MAX = 34;

const short = (text: string): string => (text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX - 1)}…` : text);

interface GraphProps {
  readonly label: string;
  readonly direction: 'LR' | 'TB';
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export function Graph(props: GraphProps) {
  const layout = layOut(props);
  const { width = 0, height = 0 } = layout.graph();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="graph" tabIndex={0} aria-label={props.label}>
      <svg
        width={Math.ceil(width)}
        height={Math.ceil(height)}
        viewBox={`0 0 ${Math.ceil(width)} ${Math.ceil(height)}`}
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
  for (const { id, text, under } of nodes) {
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
  return <path className={`edge ${edge.look ?? ''}`} d={curve(points)} markerEnd="url(#arrow)" />;
}

/** Above everything else: an edge may pass close to a box that it does not lead to. */
function EdgeText({ edge, points }: { edge: GraphEdge; points: readonly Point[] }) {
  const middle = points[Math.floor(points.length / 2)];
  if (edge.text === undefined || middle === undefined) return null;
  return (
    <text className="small halo" x={middle.x} y={middle.y + 4} textAnchor="middle">
      {edge.text}
    </text>
  );
}

function Box({ node, place }: { node: GraphNode; place: Point & { width: number; height: number } }) {
  const { width, height } = place;
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

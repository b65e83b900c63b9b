import { Badge } from './badge.tsx';
import { Scroll } from './scroll.tsx';

/** What was looked at, how it stands, and what mends it. */
export interface Finding {
  readonly name: string;
  readonly status: string;
  /** Instead of the status, where it says more. */
  readonly label?: string;
  readonly text: string;
  readonly fix?: string | undefined;
}

export function Findings({ findings }: { findings: readonly Finding[] }) {
  return (
    <Scroll>
      <table className="cards">
        <tbody>
          {findings.map(({ name, status, label = status, text, fix }) => (
            <tr key={name + text}>
              <td className="right">
                <Badge status={status} text={label} />
              </td>
              <td className="nowrap title">{name}</td>
              <td className="wrap line">
                {text}
                {fix === undefined ? null : <div className="under">{fix}</div>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

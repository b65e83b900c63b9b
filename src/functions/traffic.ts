import { LambentError } from '../base/errors.ts';
import type { LiveApp, TrafficShare } from '../model/deployment.ts';

/** Checks shares as a person sets them, and orders them: the older deployment first. Throws `E_BAD_REQUEST`. */
export function checkTraffic(traffic: readonly TrafficShare[]): TrafficShare[] {
  const [first, second] = traffic;
  const isCount = first !== undefined && traffic.length <= 2;
  const isWhole = traffic.every(({ weight }) => Number.isInteger(weight) && weight >= 1 && weight <= 100);
  const total = traffic.reduce((sum, { weight }) => sum + weight, 0);
  if (!isCount || !isWhole || total !== 100 || first.number === second?.number)
    throw new LambentError(
      'E_BAD_REQUEST',
      'traffic is one deployment with weight 100, or two different ones whose whole weights add up to 100',
    );
  return traffic.toSorted((left, right) => left.number - right.number);
}

/**
 * The traffic once a new deployment has its share. The rest stays with one deployment that is live now: where two
 * are, with the one that has more. Throws `E_BAD_REQUEST` when there is none to share with.
 */
export function trafficWith(present: LiveApp, number: number, weight: number): TrafficShare[] {
  if (weight === 100) return [{ number, weight }];
  const base = present.traffic.toSorted(
    (left, right) => right.weight - left.weight || left.number - right.number,
  )[0];
  if (base === undefined)
    throw new LambentError('E_BAD_REQUEST', `the app ${present.app} has nothing live to share traffic with`, {
      hint: 'Deploy it once without a weight.',
    });
  return [
    { number: base.number, weight: 100 - weight },
    { number, weight },
  ];
}

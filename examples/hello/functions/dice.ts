import { randomInt } from 'node:crypto';
import { emit } from 'lambent';

interface DiceEvent {
  /** Over HTTP: the text of the request's body. */
  body?: string;
  /** Whether `body` is encoded: API Gateway does so with what is not text, and with forms. */
  isBase64Encoded?: boolean;
  /** Called with `lambent invoke dice --data '{"sides": 20}'`: the event itself. */
  sides?: number;
}

export const handler = async (event: DiceEvent) => {
  const { body, isBase64Encoded } = event;
  const { sides = 6 }: DiceEvent = body ? JSON.parse(isBase64Encoded ? atob(body) : body) : event;
  if (!Number.isInteger(sides) || sides < 2 || sides > 1000) {
    return { statusCode: 400, body: JSON.stringify({ error: 'sides is a whole number from 2 to 1000' }) };
  }
  const rolled = randomInt(1, sides + 1);
  await emit({ type: 'dice.rolled', data: { sides, rolled, lucky: rolled === sides } });
  return { sides, rolled };
};

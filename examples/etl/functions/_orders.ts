import { Pool, type PoolClient } from 'pg';

const pool = new Pool({ connectionString: process.env.ORDERS_URL, max: 5 });
// A connection that breaks while nobody uses it is replaced; without a listener the error would end the process.
pool.on('error', (error) => console.warn(`PostgreSQL: ${error.message}`));

/**
 * Does `work` once for this step, in one transaction with a note that it was done. A step whose answer was lost, because
 * the machine died at the wrong moment, is run again: then only `result` runs.
 */
export async function once<Result>(
  step: string,
  work: (client: PoolClient) => Promise<unknown>,
  result: (client: PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<{ runs: number }>(
      `INSERT INTO steps VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET runs = steps.runs + 1 RETURNING runs`,
      [step],
    );
    if (rows[0]!.runs === 1) await work(client);
    const found = await result(client);
    await client.query('COMMIT');
    client.release();
    return found;
  } catch (error) {
    // What was begun goes with its connection.
    client.release(true);
    throw error;
  }
}

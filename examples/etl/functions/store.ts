import { createPool, type ResultSetHeader } from 'mysql2/promise';

const pool = createPool({ uri: process.env.REPORTS_URL!, connectionLimit: 5 });

export interface Report {
  readonly report: string;
  readonly region: string;
  readonly orders: number;
  readonly cents: number;
  readonly best: string | null;
}

/** Stored twice is stored once: the note of the step and the report are one transaction. */
export const handler = async ({ report, region, orders, cents, best }: Report): Promise<Report> => {
  const connection = await pool.getConnection();
  try {
    await connection.beginTransaction();
    const [noted] = await connection.execute<ResultSetHeader>(
      'INSERT INTO steps VALUES (?, 1) ON DUPLICATE KEY UPDATE runs = runs + 1',
      [`${report}/store`],
    );
    // One row: it is new. Two: it was there and was changed.
    if (noted.affectedRows === 1)
      await connection.execute('INSERT INTO reports VALUES (?, ?, ?, ?, ?)', [
        report,
        region,
        orders,
        cents,
        best,
      ]);
    await connection.commit();
    connection.release();
  } catch (error) {
    // What was begun goes with its connection.
    connection.destroy();
    throw error;
  }
  return { report, region, orders, cents, best };
};

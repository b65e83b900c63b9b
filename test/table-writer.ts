/** A connection to any database on which a test changes rows. */
export interface Writer {
  write(sql: string): Promise<void>;
  end(): Promise<void>;
}

import { z } from '@hono/zod-openapi';

/** The processor whose list price is asked for: one function is priced for either. */
export const CpuSchema = z.enum(['x86_64', 'arm64']).default('x86_64');

/** Where the prices of an answer come from. */
export const PriceTableSchema = z.object({
  source: z.string(),
  date: z.string(),
  region: z.string(),
  cpu: z.enum(['x86_64', 'arm64']),
});

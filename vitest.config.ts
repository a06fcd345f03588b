import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** What the tests configure the Worker with: development mode, as `npm run dev` does, and nothing from outside. */
const testVars = {
  MODE: 'development',
  ADMIN_TOKEN: 'test-admin-token',
  // A line for each of thousands of requests would bury what a test has to say.
  LOG_LEVEL: 'warn',
  // At once: what outlives an answer is waited for.
  METRICS_GATHER_SECONDS: '0',
}

export default defineConfig({
  test: {
    // More than there are cores on a small machine: much of what is tested waits for something.
    maxWorkers: 3,
    projects: [
      {
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              // Places of another jurisdiction, for the tests that give them to the Worker.
              d1Databases: { TEST_DB_EU: 'stevedore-eu' },
              r2Buckets: { TEST_BUCKET_EU: 'stevedore-eu' },
              bindings: {
                ...testVars,
                TEST_MIGRATIONS: await readD1Migrations('./migrations'),
                STEVEDORE_TEST_FULL: process.env.STEVEDORE_TEST_FULL ?? '',
                // How many mutated bodies the fuzzer makes; empty is its own small number.
                FUZZ_COUNT: process.env.FUZZ_COUNT ?? (process.env.STEVEDORE_TEST_FULL ? '200000' : ''),
              },
            },
          })),
        ],
        test: {
          name: 'workers',
          include: ['test/workers/**/*.test.ts'],
          globalSetup: ['test/workers/provide-redis.ts', 'test/workers/provide-clamd.ts'],
          setupFiles: ['test/workers/apply-migrations.ts'],
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})

import { expect, test } from 'vitest'
import { isPackageManager } from '../../../src/auto/package-managers.ts'

test.each([
  '/usr/local/bin/npm',
  '/usr/local/bin/npx',
  '/usr/local/bin/yarn',
  '/usr/local/bin/pnpm',
  '/opt/node/bin/corepack',
  '/usr/lib/node_modules/npm/bin/npm-cli.js',
  '/usr/lib/node_modules/npm/bin/npx-cli.js',
  '/usr/share/nodejs/npm/bin/npm-cli.js',
  '/app/node_modules/pnpm/bin/pnpm.cjs',
  '/usr/lib/node_modules/corepack/dist/yarn.js',
  '/root/.cache/node/corepack/v1/pnpm/9.15.0/bin/pnpm.cjs',
  '/root/.cache/node/corepack/v1/yarn/4.6.0/yarn.js',
  '/app/.yarn/releases/yarn-4.6.0.cjs',
  String.raw`C:\Program Files\nodejs\node_modules\npm\bin\npm-cli.js`,
])('%s is a package manager', (program) => {
  expect(isPackageManager(program)).toBe(true)
})

test.each([
  undefined,
  '/app/server.js',
  '/app/npm.js',
  '/app/yarn/index.js',
  '/app/bin/npm-mirror',
  '/app/node_modules/.bin/verdaccio',
  '/app/node_modules/npm-registry-fetch/lib/index.js',
  '/srv/corepack/src/main.js',
])('%s is an application', (program) => {
  expect(isPackageManager(program)).toBe(false)
})

/** In a folder for commands, a link: `/usr/local/bin/npm`. */
const LINK = /[/\\](?:npm|npx|pnpm|pnpx|yarn|yarnpkg|corepack)$/
/** Installed, or in the cache of corepack: `npm/bin/npm-cli.js`, `pnpm/9.0.0/bin/pnpm.cjs`. */
const FILE =
  /[/\\](?:npm|pnpm|yarn|corepack)[/\\](?:[\d.]+[/\\])?(?:(?:bin|dist)[/\\])?(?:npm|npx|pnpm|pnpx|yarn|corepack)(?:-cli)?\.[cm]?js$/
/** Yarn's own place within a repository. */
const RELEASE = /[/\\]\.yarn[/\\]releases[/\\]yarn-[^/\\]+\.[cm]?js$/

/**
 * Whether a program is a package manager. `NODE_OPTIONS` reaches `npm start` as well as the application that it starts.
 * @param program `process.argv[1]`
 */
export function isPackageManager(program: string | undefined): boolean {
  return program !== undefined && [LINK, FILE, RELEASE].some((pattern) => pattern.test(program))
}

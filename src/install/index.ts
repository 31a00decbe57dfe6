/**
 * Puts a client below what a process calls with already: the built-in `fetch`, undici, `node:http` and `node:https`.
 *
 * `install.ts` checks the options and installs. `dispatchers.ts` stands in front of undici's global dispatchers, and
 * `replaced-dispatcher.ts` warns if another is set later. `agents.ts` stands in the
 * methods of Node's own agents; `direct-request.ts` takes back what Node wrote for a proxy. `observed-calls.ts` only reports what
 * would be routed. `discovered-hosts.ts` remembers which hosts are discovered: the others go where they went before.
 * @module onehop/install
 */
export { install, installedClient, type InstallOptions } from './install.ts'

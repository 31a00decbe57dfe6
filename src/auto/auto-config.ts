import type { ClientOptions } from '../index.ts'
import type { InstallOptions } from '../install/index.ts'

/** The default export of the file that `ONEHOP_CONFIG` names: options of `createClient` and of `install` side by side. */
export type AutoConfig = ClientOptions & InstallOptions

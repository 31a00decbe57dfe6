/** `node --import` of it: Connect is found in this folder, as in an app that has installed it. */
import { registerHooks } from 'node:module'

registerHooks({
  resolve(specifier, context, next) {
    const isHere =
      /^@(?:connectrpc|bufbuild)\//.test(specifier) && !context.parentURL?.includes('node_modules')
    return next(specifier, isHere ? { ...context, parentURL: import.meta.url } : context)
  },
})

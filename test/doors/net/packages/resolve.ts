/** `--import` of this file: programs elsewhere find the packages of this folder by their names. */
import { registerHooks } from 'node:module'

const HERE = /^(?:pg|mysql2|ioredis|redis|mongodb|ws)(?:\/|$)/

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, HERE.test(specifier) ? { ...context, parentURL: import.meta.url } : context),
})

// The option that permits modules of custom layers and losses.

import { accept } from '../../base/values.ts';
import type { AllowModules } from './modules.ts';

/** Permits all modules or those in a list. */
export const allowModulesOption = accept<AllowModules>(
  'true, or a list of file: URLs, paths and package names',
  (given) => {
    if (!Array.isArray(given)) return given === true;
    return Array.from(given).every((name) => typeof name === 'string');
  },
).exactOptional();

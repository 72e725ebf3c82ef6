// The forms of all layers that compute, for code that reads models from plain data.

import { activationForms } from './activations.ts';
import { adaptivePoolForms } from './adaptivePools.ts';
import { batchRenormForm } from './batchRenorm.ts';
import { conv1dForm } from './conv1d.ts';
import { conv2dForm } from './conv2d.ts';
import { convTranspose2dForm } from './convTranspose2d.ts';
import { customForm } from './custom.ts';
import { dropoutForms } from './dropout.ts';
import { filterResponseNormForm } from './filterResponseNorm.ts';
import { flattenForm } from './flatten.ts';
import type { LayerForm } from './form.ts';
import { linearForm } from './linear.ts';
import { normForms } from './norms.ts';
import { padForm } from './pad.ts';
import { poolForms } from './pools.ts';
import { pool1dForms } from './pools1d.ts';
import { recurrentForms } from './recurrent.ts';
import { reshapeForm } from './reshape.ts';
import { rmsNormForm } from './rmsNorm.ts';
import { sliceForm } from './slice.ts';
import type { LeafSpec } from './spec.ts';
import { upsampleForm } from './upsample.ts';

export const layerForms: readonly LayerForm<LeafSpec>[] = [
  ...activationForms,
  ...adaptivePoolForms,
  batchRenormForm,
  conv1dForm,
  conv2dForm,
  convTranspose2dForm,
  customForm,
  ...dropoutForms,
  filterResponseNormForm,
  flattenForm,
  linearForm,
  ...normForms,
  padForm,
  ...pool1dForms,
  ...poolForms,
  ...recurrentForms,
  reshapeForm,
  rmsNormForm,
  sliceForm,
  upsampleForm,
];

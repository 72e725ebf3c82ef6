import { it } from 'vitest';
import { expectTorchvision, GOLDEN_MODELS } from '../support/golden/models.ts';

it.each(GOLDEN_MODELS)(
  '%s computes and trains as torchvision does',
  (name) => expectTorchvision(name),
  120_000,
);

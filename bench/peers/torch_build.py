"""Which PyTorch an interpreter has, as one line of JSON: its version, BLAS, oneDNN, the vector
instructions it uses, and the version of torchvision where that works. Fails where there is no
PyTorch, or none with gloo.

Run: /usr/bin/python3 bench/peers/torch_build.py
"""

import json
import re

import torch
import torch.distributed as dist


def found(pattern, text):
    match = re.search(pattern, text)
    return match.group(1) if match else "unknown"


def loaded_blas():
    """The library that stands behind the interface, where the system tells."""
    try:
        with open("/proc/self/maps") as maps:
            return found(r"/([^/\s]+/lib[^/\s]*(?:blas|mkl_rt)[^/\s]*\.so[^/\s]*)", maps.read())
    except OSError:
        return "unknown"


def capability(config):
    """Older versions tell it in their configuration alone."""
    cpu = getattr(torch.backends, "cpu", None)
    return cpu.get_cpu_capability() if cpu else found(r"CPU capability usage: (\w+)", config)


def torchvision_version():
    """One that was built for another PyTorch fails in more ways than by an ImportError."""
    try:
        import torchvision
    except Exception:
        return None
    return str(torchvision.__version__)


def main():
    if not (dist.is_available() and dist.is_gloo_available()):
        raise SystemExit("this PyTorch has no gloo")
    config = torch.__config__.show()
    interface, library = found(r"BLAS_INFO=(\w+)", config), loaded_blas()
    build = {
        "version": str(torch.__version__),
        "blas": interface if library == "unknown" else library,
        "oneDnn": found(r"(?:MKL-DNN|oneDNN) v([\d.]+)", config),
        "capability": capability(config),
    }
    torchvision = torchvision_version()
    print(json.dumps({**build, **({"torchvision": torchvision} if torchvision else {})}))


if __name__ == "__main__":
    main()

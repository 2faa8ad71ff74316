#!/bin/bash
# Makes this instance a Greengrass V1 core that waits for its certificate and its software.
#
# AWS shut V1 down on 7 October 2026 and no longer serves the core software: put the archive
# greengrass-linux-<architecture>-1.11.6.tar.gz, which must be at hand, into the set-up zip.
#
# CloudFormation fills in what stands in braces after a dollar sign, so that the shell's own
# variables have none. The stack fails with this script; its log is in /var/log/simulator.log.
set -euo pipefail
exec > >(tee /var/log/simulator.log) 2>&1
trap '/opt/aws/bin/cfn-signal --exit-code $? --region ${AWS::Region} --stack ${AWS::StackName} --resource Core' EXIT

dnf install -y java-1.8.0-amazon-corretto-devel python3 python3-pip unzip

# Functions run on Python 3.8, the newest that the last V1 core knows, and find their packages there.
python3 -m pip install --quiet uv==${UvVersion}
export UV_PYTHON_INSTALL_DIR=/opt/python
/usr/local/bin/uv python install 3.8
ln --symbolic "$(/usr/local/bin/uv python find 3.8)" /usr/local/bin/python3.8
# AWS's connectors look for Python 3.7, and run with 3.8 under that name.
ln --symbolic /usr/local/bin/python3.8 /usr/bin/python3.7
/usr/local/bin/uv pip install --python /usr/local/bin/python3.8 --break-system-packages --no-deps \
  --quiet greengrasssdk==1.6.1 ${Requirements}
python3.8 -c 'import cv2, numpy; print("OpenCV", cv2.__version__, "NumPy", numpy.__version__)'

# Functions run as this user; the group video may use cameras and GPUs, ggc_model owns the model.
groupadd --system ggc_group
groupadd --system ggc_model
useradd --system --gid ggc_group --groups video --shell /sbin/nologin ggc_user

# The feedback connector runs in a container, for which V1 needs version 1 of control groups.
grubby --update-kernel=ALL --args=systemd.unified_cgroup_hierarchy=0

cat > /etc/systemd/system/greengrass.service <<'UNIT'
[Unit]
Description=AWS IoT Greengrass V1 core
After=network-online.target
Wants=network-online.target

[Service]
Type=forking
PIDFile=/var/run/greengrassd.pid
ExecStart=/greengrass/ggc/core/greengrassd start
ExecStop=/greengrass/ggc/core/greengrassd stop
Restart=on-failure

[Install]
WantedBy=multi-user.target
UNIT

cat > /usr/local/bin/greengrass-setup <<'SCRIPT'
#!/bin/bash
# greengrass-setup ZIP: unpack certs/, config/ and, once, the core software; start the core anew.
set -euo pipefail
systemctl stop greengrass.service 2> /dev/null || true
install --directory --mode 0755 /greengrass
unzip -q -o "$1" -d /greengrass
if ! test -d /greengrass/ggc; then
  if ! ls /greengrass/greengrass-linux-*.tar.gz > /dev/null 2>&1; then
    echo 'The zip lacks greengrass-linux-<architecture>-1.11.6.tar.gz, which AWS no longer serves.' >&2
    exit 1
  fi
  tar --extract --gzip --directory / --skip-old-files --file /greengrass/greengrass-linux-*.tar.gz
fi
chmod -R go-rwx /greengrass/certs
systemctl enable greengrass.service
# The first time for the control groups; afterwards it is as good as a restart of the core.
systemctl reboot
SCRIPT
chmod 0755 /usr/local/bin/greengrass-setup

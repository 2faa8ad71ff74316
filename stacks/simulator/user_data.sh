#!/bin/bash
# Makes this instance a Greengrass V2 core that waits for its certificate.
#
# CloudFormation fills in what stands in braces after a dollar sign, so that the shell's own
# variables have none. The stack fails with this script; its log is in /var/log/simulator.log.
set -euo pipefail
exec > >(tee /var/log/simulator.log) 2>&1
trap '/opt/aws/bin/cfn-signal --exit-code $? --region ${AWS::Region} --stack ${AWS::StackName} --resource Core' EXIT

dnf install -y java-21-amazon-corretto-headless python3 python3-pip unzip

# The component makes an environment of its own from the same list. This one is for trying things
# by hand, and shows here and now that they can be installed, and that OpenCV works.
python3 -m venv /opt/dlr
/opt/dlr/bin/pip install --no-deps --quiet ${Requirements}
/opt/dlr/bin/python -c 'import cv2, numpy; print("OpenCV", cv2.__version__, "NumPy", numpy.__version__)'

# Components run as this user; the group video may use cameras and GPUs.
groupadd --system ggc_group
useradd --system --gid ggc_group --groups video --shell /sbin/nologin ggc_user

curl --fail --silent --show-error --location --retry 5 --output /tmp/greengrass.zip \
  https://d2s8p88vqu9w66.cloudfront.net/releases/greengrass-${NucleusVersion}.zip
unzip -q /tmp/greengrass.zip -d /opt/greengrass

cat > /usr/local/bin/greengrass-setup <<'SCRIPT'
#!/bin/bash
# greengrass-setup ZIP: unpack the core's certificate, key and config.yaml, and start the core anew.
set -euo pipefail
install --directory --mode 0755 /greengrass/v2
systemctl stop greengrass.service 2> /dev/null || true
unzip -q -o "$1" -d /greengrass/v2
chmod 0400 /greengrass/v2/private.pem.key
java -Droot=/greengrass/v2 -Dlog.store=FILE -jar /opt/greengrass/lib/Greengrass.jar \
  --init-config /greengrass/v2/config.yaml \
  --component-default-user ggc_user:ggc_group --setup-system-service true
SCRIPT
chmod 0755 /usr/local/bin/greengrass-setup

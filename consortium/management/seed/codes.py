"""The coded facts that the seed uses: system, code, English and Chinese words."""

from dataclasses import dataclass
from typing import Any

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
ATC = "http://www.whocc.no/atc"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"


def coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def concept(*codings: dict[str, str], text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept."""
    return {"coding": list(codings), **({"text": text} if text else {})}


def hl7(name: str, code: str, display: str) -> dict[str, Any]:
    """A CodeableConcept from one of HL7's own code systems."""
    return concept(coding(TERMINOLOGY + name, code, display))


@dataclass(frozen=True)
class Problem:
    """A diagnosis. icd: its ICD-10 code, where the hospital gives one."""

    code: str
    words: str
    chinese: str
    icd: str = ""

    def concept(self) -> dict[str, Any]:
        codings = [coding(SNOMED, self.code, self.words)]
        if self.icd:
            codings.append({"system": ICD10, "code": self.icd})
        return concept(*codings, text=f"{self.chinese} {self.words}")


@dataclass(frozen=True)
class Drug:
    """A medicine by ATC, with the usual dose. often: times a day; as_needed instead of on a clock."""

    code: str
    words: str
    chinese: str
    dose: float
    unit: str
    often: int = 1
    route: str = "oral"
    as_needed: bool = False

    def concept(self) -> dict[str, Any]:
        return concept(coding(ATC, self.code, self.words), text=f"{self.chinese} {self.words}")


@dataclass(frozen=True)
class Test:
    """A measurement. low, high: its reference range, either may be open; digits: after the decimal point."""

    __test__ = False  # not one of pytest's

    code: str
    words: str
    unit: str
    low: float | None = None
    high: float | None = None
    digits: int = 1
    ucum: str = ""

    def concept(self) -> dict[str, Any]:
        return concept(coding(LOINC, self.code, self.words), text=self.words)


@dataclass(frozen=True)
class Allergy:
    code: str
    words: str
    chinese: str
    category: str
    manifestation: tuple[str, str]
    criticality: str = "low"


HYPERTENSION = Problem("59621000", "Essential hypertension", "原发性高血压", "I10")
DIABETES = Problem("44054006", "Type 2 diabetes mellitus", "2型糖尿病", "E11.9")
HYPERLIPIDAEMIA = Problem("55822004", "Hyperlipidemia", "高脂血症", "E78.5")
KIDNEY = Problem("709044004", "Chronic kidney disease", "慢性肾脏病", "N18.9")
ASTHMA = Problem("195967001", "Asthma", "哮喘", "J45.9")
RHINITIS = Problem("61582004", "Allergic rhinitis", "过敏性鼻炎", "J30.4")
PREGNANCY = Problem("77386006", "Pregnancy", "妊娠", "Z33")
GESTATIONAL_DIABETES = Problem("11687002", "Gestational diabetes mellitus", "妊娠期糖尿病", "O24.4")
ANAEMIA = Problem("87522002", "Iron deficiency anemia", "缺铁性贫血", "D50.9")
HYPOTHYROIDISM = Problem("40930008", "Hypothyroidism", "甲状腺功能减退症", "E03.9")
KNEE = Problem("239873007", "Osteoarthritis of knee", "膝骨关节炎", "M17.9")
REFLUX = Problem("235595009", "Gastroesophageal reflux disease", "胃食管反流病", "K21.9")
DEPRESSION = Problem("35489007", "Depressive disorder", "抑郁症", "F32.9")
ECZEMA = Problem("24079001", "Atopic dermatitis", "特应性皮炎", "L20.9")
COLD = Problem("54150009", "Upper respiratory infection", "上呼吸道感染", "J06.9")
BRONCHITIS = Problem("10509002", "Acute bronchitis", "急性支气管炎", "J20.9")
OTITIS = Problem("65363002", "Otitis media", "中耳炎", "H66.9")
URINARY = Problem("68566005", "Urinary tract infectious disease", "尿路感染", "N39.0")
PNEUMONIA = Problem("233604007", "Pneumonia", "肺炎", "J18.9")
APPENDICITIS = Problem("85189001", "Acute appendicitis", "急性阑尾炎", "K35.8")
ANKLE = Problem("44465007", "Sprain of ankle", "踝关节扭伤", "S93.4")
NO_PROBLEMS = Problem("160245001", "No current problems or disability", "目前无健康问题")

AMLODIPINE = Drug("C08CA01", "Amlodipine 5 mg tablet", "氨氯地平片", 5, "mg")
LOSARTAN = Drug("C09CA01", "Losartan 50 mg tablet", "氯沙坦钾片", 50, "mg")
METFORMIN = Drug("A10BA02", "Metformin 500 mg tablet", "二甲双胍片", 500, "mg", 2)
DAPAGLIFLOZIN = Drug("A10BK01", "Dapagliflozin 10 mg tablet", "达格列净片", 10, "mg")
GLARGINE = Drug("A10AE04", "Insulin glargine 100 U/mL injection", "甘精胰岛素注射液", 12, "U", 1, "subcutaneous")
ATORVASTATIN = Drug("C10AA05", "Atorvastatin 20 mg tablet", "阿托伐他汀钙片", 20, "mg")
SALBUTAMOL = Drug("R03AC02", "Salbutamol 100 ug inhaler", "沙丁胺醇吸入气雾剂", 100, "ug", 4, "inhalation", True)
BUDESONIDE = Drug("R03BA02", "Budesonide 200 ug inhaler", "布地奈德吸入粉雾剂", 200, "ug", 2, "inhalation")
LORATADINE = Drug("R06AX13", "Loratadine 10 mg tablet", "氯雷他定片", 10, "mg", 1, "oral", True)
FOLIC_ACID = Drug("B03BB01", "Folic acid 0.4 mg tablet", "叶酸片", 0.4, "mg")
IRON = Drug("B03AA07", "Ferrous sulfate 300 mg tablet", "硫酸亚铁片", 300, "mg")
LEVOTHYROXINE = Drug("H03AA01", "Levothyroxine sodium 50 ug tablet", "左甲状腺素钠片", 50, "ug")
OMEPRAZOLE = Drug("A02BC01", "Omeprazole 20 mg capsule", "奥美拉唑肠溶胶囊", 20, "mg")
SERTRALINE = Drug("N06AB06", "Sertraline 50 mg tablet", "舍曲林片", 50, "mg")
PARACETAMOL = Drug("N02BE01", "Paracetamol 500 mg tablet", "对乙酰氨基酚片", 500, "mg", 4, "oral", True)
AMOXICILLIN = Drug("J01CA04", "Amoxicillin 500 mg capsule", "阿莫西林胶囊", 500, "mg", 3)
AZITHROMYCIN = Drug("J01FA10", "Azithromycin 250 mg tablet", "阿奇霉素片", 250, "mg")
NITROFURANTOIN = Drug("J01XE01", "Nitrofurantoin 100 mg tablet", "呋喃妥因片", 100, "mg", 2)
IBUPROFEN = Drug("M01AE01", "Ibuprofen 300 mg capsule", "布洛芬缓释胶囊", 300, "mg", 2, "oral", True)

SYSTOLIC = Test("8480-6", "Systolic blood pressure", "mmHg", 90, 140, 0, "mm[Hg]")
DIASTOLIC = Test("8462-4", "Diastolic blood pressure", "mmHg", 60, 90, 0, "mm[Hg]")
HEART_RATE = Test("8867-4", "Heart rate", "beats/min", 60, 100, 0, "/min")
RESPIRATION = Test("9279-1", "Respiratory rate", "breaths/min", 12, 20, 0, "/min")
TEMPERATURE = Test("8310-5", "Body temperature", "°C", 36.1, 37.2, 1, "Cel")
SATURATION = Test("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry", "%", 95, 100, 0, "%")
WEIGHT = Test("29463-7", "Body weight", "kg", digits=1, ucum="kg")
HEIGHT = Test("8302-2", "Body height", "cm", digits=1, ucum="cm")
BMI = Test("39156-5", "Body mass index (BMI) [Ratio]", "kg/m²", 18.5, 24.0, 1, "kg/m2")
HEAD = Test("9843-4", "Head Occipital-frontal circumference", "cm", digits=1, ucum="cm")
HBA1C = Test("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 4.0, 6.0, 1, "%")
GLUCOSE = Test("14771-0", "Fasting glucose [Moles/volume] in Serum or Plasma", "mmol/L", 3.9, 6.1, 1, "mmol/L")
CREATININE = Test("14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "µmol/L", 44, 106, 0, "umol/L")
ALBUMIN_RATIO = Test("14959-1", "Microalbumin/Creatinine [Mass Ratio] in Urine", "mg/g", None, 30, 1, "mg/g")
CHOLESTEROL = Test("14647-2", "Cholesterol [Moles/volume] in Serum or Plasma", "mmol/L", None, 5.2, 2, "mmol/L")
LDL = Test("22748-8", "Cholesterol in LDL [Moles/volume] in Serum or Plasma", "mmol/L", None, 3.4, 2, "mmol/L")
HDL = Test("14646-4", "Cholesterol in HDL [Moles/volume] in Serum or Plasma", "mmol/L", 1.0, None, 2, "mmol/L")
TRIGLYCERIDE = Test("14927-8", "Triglyceride [Moles/volume] in Serum or Plasma", "mmol/L", None, 1.7, 2, "mmol/L")
HAEMOGLOBIN = Test("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 11.5, 16.0, 1, "g/dL")
LEUKOCYTES = Test("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*9/L", 3.5, 9.5, 1, "10*9/L")
PLATELETS = Test("777-3", "Platelets [#/volume] in Blood by Automated count", "10*9/L", 125, 350, 0, "10*9/L")
FERRITIN = Test("2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "ng/mL", 15, 200, 0, "ng/mL")
TSH = Test("3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "mIU/L", 0.27, 4.2, 2, "m[IU]/L")
PEAK_FLOW = Test("19935-6", "Maximum expiratory gas flow rate by Peak flow meter", "L/min", digits=0, ucum="L/min")
FUNDAL_HEIGHT = Test("11881-0", "Uterus Fundal height Tape measure", "cm", digits=0, ucum="cm")
FETAL_HEART = Test("55283-6", "Fetal Heart rate", "beats/min", 110, 160, 0, "/min")

ALLERGIES = (
    Allergy("91936005", "Allergy to penicillin", "青霉素过敏", "medication", ("126485001", "Urticaria"), "high"),
    Allergy("293586001", "Allergy to aspirin", "阿司匹林过敏", "medication", ("56018004", "Wheezing"), "high"),
    Allergy("91935009", "Allergy to peanut", "花生过敏", "food", ("39579001", "Anaphylaxis"), "high"),
    Allergy("300913006", "Shellfish allergy", "贝类过敏", "food", ("271807003", "Eruption of skin")),
    Allergy("91930004", "Allergy to eggs", "鸡蛋过敏", "food", ("271807003", "Eruption of skin")),
    Allergy("232350006", "House dust mite allergy", "尘螨过敏", "environment", ("56018004", "Wheezing")),
)
NO_KNOWN_ALLERGY = ("716186003", "No known allergy", "无已知过敏")
NO_KNOWN_MEDICATION = ("787481004", "No known medications", "无已知用药")

# Child vaccinations: (CVX code, words, months of age).
VACCINATIONS = (
    ("19", "BCG", (0,)),
    ("08", "Hep B, adolescent or pediatric", (0, 1, 6)),
    ("10", "IPV", (2, 3, 4, 48)),
    ("20", "DTaP", (3, 4, 5, 18)),
    ("03", "MMR", (8, 18)),
    ("21", "varicella", (12, 48)),
    ("85", "Hep A, unspecified formulation", (18,)),
)
INFLUENZA = ("141", "Influenza, seasonal, injectable")
PNEUMOCOCCAL = ("33", "pneumococcal polysaccharide PPV23")
COVID = ("213", "SARS-COV-2 (COVID-19) vaccine, UNSPECIFIED")

ROUTES = {
    "oral": ("26643006", "Oral route"),
    "inhalation": ("447694001", "Respiratory tract route"),
    "subcutaneous": ("34206005", "Subcutaneous route"),
}
